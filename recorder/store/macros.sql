-- ---- what was recorded, and what was not -------------------------------------------------------

-- What had begun and not ended at the newest cut, as rows of coverage. The two records of a cut
-- are written one after the other: that of the one before is taken as well.
CREATE OR REPLACE VIEW recorder_going_on AS
WITH record AS (
    SELECT content::JSON AS named
    FROM read_text(recorder_path('live/open.jso[n]'))
    WHERE json_valid(content)
), cuts AS (
    SELECT parse_filename(file)[:10] AS hour,
           parse_filename(file)[12:23]::BIGINT AS first, parse_filename(file)[25:36]::BIGINT AS "end"
    FROM glob(recorder_path('live/cuts/*.json'))
    WHERE regexp_matches(parse_filename(file), '^\d{10}-\d{12}-\d{12}\.json$')
), newest AS (
    SELECT hour, first, "end" FROM cuts ORDER BY hour DESC, "end" DESC LIMIT 1
), tracks AS (
    SELECT (named ->> 'last_ns')::BIGINT AS last_ns,
           unnest(from_json(named -> 'tracks', '[{"channel":"VARCHAR","product_id":"VARCHAR",
               "state":"VARCHAR","start_ns":"BIGINT","reason":"VARCHAR",
               "connection_id":"VARCHAR"}]'), recursive := true)
    FROM record, newest
    WHERE named ->> 'hour' = hour AND (named ->> 'end')::BIGINT IN (first, "end")
      AND recorder_seq(recorder_from_stamp(hour)) >= recorder_switch()
)
SELECT channel, product_id, make_timestamptz(start_ns // 1000) AS start_time,
       make_timestamptz(last_ns // 1000) AS end_time, state, reason, connection_id
FROM tracks
WHERE start_ns < last_ns;

-- What was recorded and what was not, as intervals; those that are going on end at the newest cut.
-- What an hour told as recorded is shortened where a later one found that it was not: the row of
-- such a gap begins before the hour that it was noted in.
CREATE OR REPLACE VIEW coverage AS
WITH told AS (
    SELECT *, recorder_hour_of(noted_seq) AS noted_hour, row_number() OVER () AS nr
    FROM recorder_told
), taken_back AS (
    SELECT mine.nr, min(greatest(gap.start_time, mine.start_time)) AS until
    FROM told AS mine JOIN told AS gap
      ON gap.channel = mine.channel AND gap.product_id IS NOT DISTINCT FROM mine.product_id
    WHERE mine.state <> 'gap' AND gap.state = 'gap' AND gap.noted_hour > mine.noted_hour
      AND epoch_us(gap.start_time) < gap.noted_hour * 3600000000
      AND gap.start_time < mine.end_time AND gap.end_time > mine.start_time
    GROUP BY mine.nr
)
SELECT told.* EXCLUDE (noted_hour, nr) REPLACE (coalesce(until, end_time) AS end_time)
FROM told LEFT JOIN taken_back USING (nr)
WHERE until IS NULL OR until > start_time
UNION ALL BY NAME
SELECT going_on.*, 'still going on at the newest part' AS detail,
       9223372036854775807 AS noted_seq,
       (end_time - INTERVAL 1 microsecond)::DATE AS date,
       extract(hour FROM end_time - INTERVAL 1 microsecond)::INTEGER AS hour
FROM recorder_going_on AS going_on ANTI JOIN recorder_told AS ended
  ON ended.channel = going_on.channel
 AND ended.product_id IS NOT DISTINCT FROM going_on.product_id
 AND ended.connection_id IS NOT DISTINCT FROM going_on.connection_id
 AND ended.state = going_on.state AND ended.start_time = going_on.start_time;

-- By names of its own, so that the columns that in_gap is asked for are never taken for these.
CREATE OR REPLACE VIEW recorder_ledger AS
SELECT channel AS ledger_channel, product_id AS ledger_product, state AS ledger_state,
       start_time AS ledger_start, end_time AS ledger_end
FROM coverage;

-- Whether something of a channel is missing at a moment, by the ledger. It knows nothing of times
-- at which nobody recorded and nobody has recorded since. The arguments may be columns.
CREATE OR REPLACE MACRO in_gap(product, _channel, t) AS EXISTS (
    FROM recorder_ledger
    WHERE ledger_state = 'gap'
      AND ledger_channel = if(_channel = 'trades', 'market_trades', _channel)
      AND (ledger_product = product OR ledger_product IS NULL)
      AND ledger_start <= t::TIMESTAMPTZ AND ledger_end > t::TIMESTAMPTZ
);

-- ---- books -------------------------------------------------------------------------------------

CREATE OR REPLACE MACRO recorder_changes(product, _first, _last) AS TABLE
FROM recorder_level2(recorder_old('level2', product, _first, _last),
                     recorder_new('level2', product, _first, _last),
                     recorder_begin_stamp(_first), recorder_stamp(_last + 1))
WHERE product_id = product;

-- A product's whole book after everything that was received up to t, best levels first. It is the
-- last one that was trusted; book_valid tells whether it still was at t. Nothing where neither the
-- hour of t nor the one before it has a book.
CREATE OR REPLACE MACRO book_at(product, t) AS TABLE
WITH changes AS (
    SELECT side, price, {size: size, price_text: price_text, size_text: size_text} AS level_now,
           book_epoch, ingest_seq
    FROM recorder_changes(product, recorder_hour(t) - 1, recorder_hour(t))
    WHERE recv_ns <= recorder_ns(t) AND book_epoch IS NOT NULL
), levels AS (
    SELECT side, price, arg_max(level_now, ingest_seq) AS held
    FROM changes
    WHERE book_epoch = (SELECT max(book_epoch) FROM changes)
    GROUP BY side, price
)
SELECT side, row_number() OVER (PARTITION BY side ORDER BY if(side = 'bid', -price, price)) AS level,
       price, held.size AS size, held.price_text AS price_text, held.size_text AS size_text
FROM levels
WHERE held.size > 0
ORDER BY side DESC, level;

-- The n best levels of each side, with the sum of the sizes from the best one on.
CREATE OR REPLACE MACRO depth_at(product, t, n) AS TABLE
SELECT side, level, price, size,
       sum(size) OVER (PARTITION BY side ORDER BY level ROWS UNBOUNDED PRECEDING) AS total
FROM book_at(product, t)
WHERE level <= n
ORDER BY side DESC, level;

-- Whether the recorder trusted the book of a product at t.
CREATE OR REPLACE MACRO book_valid(product, t) AS coalesce((
    SELECT arg_max(book_epoch IS NOT NULL, ingest_seq)
    FROM recorder_changes(product, recorder_hour(t) - 1, recorder_hour(t))
    WHERE recv_ns <= recorder_ns(t)
), false) AND EXISTS (
    FROM recorder_ledger
    WHERE ledger_channel = 'level2' AND ledger_product = product AND ledger_state <> 'gap'
      AND ledger_start <= t::TIMESTAMPTZ AND ledger_end >= t::TIMESTAMPTZ
);

-- ---- the best bid and ask over time ------------------------------------------------------------

-- What a product's levels came to within [from, to), times in nanoseconds: a row for each size that
-- a level had, 0 where it was gone; best is greater the nearer it is to the other side. A book ends
-- where the next one begins, and where changes come that the recorder did not apply.
CREATE OR REPLACE MACRO recorder_sizes(product, "from", "to") AS TABLE
WITH changes AS MATERIALIZED (
    SELECT side, price, size, book_epoch, ingest_seq,
           greatest(recv_ns, recorder_ns("from")) AS begin_ns
    FROM recorder_changes(product, recorder_hour("from") - 1, recorder_last_hour("to"))
    WHERE recv_ns < recorder_ns("to")
), books AS (
    SELECT book_epoch AS epoch, min(begin_ns) AS begun_ns
    FROM changes WHERE book_epoch IS NOT NULL GROUP BY book_epoch
), lost AS (
    SELECT epoch, min(begin_ns) AS lost_ns
    FROM (SELECT ingest_seq, begin_ns FROM changes WHERE book_epoch IS NULL) AS refused
    ASOF JOIN books ON refused.ingest_seq >= books.epoch
    GROUP BY epoch
), lives AS (
    SELECT epoch, least(coalesce(lead(begun_ns) OVER (ORDER BY epoch), recorder_ns("to")),
                        coalesce(lost_ns, recorder_ns("to"))) AS over_ns
    FROM books LEFT JOIN lost USING (epoch)
    QUALIFY over_ns > recorder_ns("from")
)
SELECT side, if(side = 'bid', price, -price) AS best, epoch, over_ns, begin_ns,
       arg_max(size, ingest_seq) AS size
FROM changes JOIN lives ON book_epoch = epoch
GROUP BY ALL;

-- Levels that are there all through a stretch of time are told by the best of them; only what is
-- better for a part of it is looked at more closely, in two steps: 256 seconds, 4 seconds.
-- The best bid and ask of a product after everything received in [from, to): a row where one of
-- them or its size changed, and first the ones that were there at "from". They are null where a
-- side is empty, and from where the recorder no longer trusted the book.
CREATE OR REPLACE MACRO top_of_book(product, "from", "to") AS TABLE
WITH sizes AS MATERIALIZED (
    FROM recorder_sizes(product, "from", "to")
), instants AS MATERIALIZED (
    SELECT begin_ns AS at_ns FROM sizes
    UNION
    SELECT over_ns FROM sizes WHERE over_ns < recorder_ns("to")
), turns AS (
    SELECT * FROM sizes
    QUALIFY (size > 0) IS DISTINCT FROM
            lag(size > 0, 1, false) OVER (PARTITION BY epoch, side, best ORDER BY begin_ns)
), stays AS MATERIALIZED (
    SELECT side, best, size, begin_ns,
           coalesce(lead(begin_ns) OVER (PARTITION BY epoch, side, best ORDER BY begin_ns), over_ns)
               AS end_ns
    FROM turns
    QUALIFY size > 0 AND end_ns > begin_ns
), long_filled AS MATERIALIZED (
    SELECT side, stretch, max(best) AS best
    FROM (SELECT side, best,
                 unnest(range((begin_ns + 255999999999) // 256000000000, end_ns // 256000000000))
                     AS stretch
          FROM stays)
    GROUP BY side, stretch
), long_rest AS MATERIALIZED (
    SELECT rest.* FROM (
        SELECT side, best, begin_ns // 256000000000 AS stretch, begin_ns,
               least(end_ns, (begin_ns // 256000000000 + 1) * 256000000000) AS end_ns
        FROM stays
        WHERE begin_ns % 256000000000 > 0 OR end_ns < begin_ns + 256000000000
        UNION ALL
        SELECT side, best, end_ns // 256000000000 AS stretch,
               (end_ns // 256000000000) * 256000000000 AS begin_ns, end_ns
        FROM stays
        WHERE end_ns // 256000000000 > begin_ns // 256000000000 AND end_ns % 256000000000 > 0
    ) AS rest LEFT JOIN long_filled USING (side, stretch)
    WHERE rest.best > coalesce(long_filled.best, '-infinity'::DOUBLE)
), short_filled AS MATERIALIZED (
    SELECT side, stretch, max(best) AS best
    FROM (SELECT side, best,
                 unnest(range((begin_ns + 3999999999) // 4000000000, end_ns // 4000000000))
                     AS stretch
          FROM long_rest)
    GROUP BY side, stretch
), short_rest AS MATERIALIZED (
    SELECT rest.* FROM (
        SELECT side, best, begin_ns // 4000000000 AS stretch, begin_ns,
               least(end_ns, (begin_ns // 4000000000 + 1) * 4000000000) AS end_ns
        FROM long_rest
        WHERE begin_ns % 4000000000 > 0 OR end_ns < begin_ns + 4000000000
        UNION ALL
        SELECT side, best, end_ns // 4000000000 AS stretch,
               (end_ns // 4000000000) * 4000000000 AS begin_ns, end_ns
        FROM long_rest
        WHERE end_ns // 4000000000 > begin_ns // 4000000000 AND end_ns % 4000000000 > 0
    ) AS rest LEFT JOIN short_filled USING (side, stretch)
    WHERE rest.best > coalesce(short_filled.best, '-infinity'::DOUBLE)
), bests AS (
    SELECT at_ns, side, max(best) AS best FROM (
        SELECT at_ns, side, best
        FROM instants JOIN long_filled ON at_ns // 256000000000 = stretch
        UNION ALL
        SELECT at_ns, side, best
        FROM instants JOIN short_filled ON at_ns // 4000000000 = stretch
        UNION ALL
        SELECT at_ns, side, best
        FROM instants JOIN short_rest ON at_ns // 4000000000 = stretch
         AND at_ns >= begin_ns AND at_ns < end_ns)
    GROUP BY at_ns, side
), sized AS (
    SELECT at_ns, bests.side, abs(bests.best) AS price, size
    FROM bests ASOF JOIN sizes ON bests.side = sizes.side AND bests.best = sizes.best
     AND bests.at_ns >= sizes.begin_ns
), tops AS (
    SELECT at_ns,
           max(price) FILTER (side = 'bid') AS best_bid, max(size) FILTER (side = 'bid') AS best_bid_size,
           max(price) FILTER (side = 'ask') AS best_ask, max(size) FILTER (side = 'ask') AS best_ask_size
    FROM instants LEFT JOIN sized USING (at_ns)
    GROUP BY at_ns
)
SELECT make_timestamptz(at_ns // 1000) AS recv_time, best_bid, best_bid_size, best_ask,
       best_ask_size, at_ns AS recv_ns
FROM tops
QUALIFY row_number() OVER (ORDER BY at_ns) = 1
     OR (best_bid, best_bid_size, best_ask, best_ask_size) IS DISTINCT FROM
        lag((best_bid, best_bid_size, best_ask, best_ask_size)) OVER (ORDER BY at_ns)
ORDER BY recv_ns;

-- How wide the spread was in [from, to), and for how long: a row where a best price changed.
CREATE OR REPLACE MACRO spread(product, "from", "to") AS TABLE
SELECT recv_time, best_bid, best_ask, best_ask - best_bid AS spread,
       (best_bid + best_ask) / 2 AS mid,
       (best_ask - best_bid) / (best_bid + best_ask) * 20000 AS basis_points,
       (coalesce(lead(recv_ns) OVER (ORDER BY recv_ns), recorder_ns("to")) - recv_ns) / 1e9
           AS seconds
FROM (
    FROM top_of_book(product, "from", "to")
    QUALIFY row_number() OVER (ORDER BY recv_ns) = 1
         OR (best_bid, best_ask) IS DISTINCT FROM
            lag((best_bid, best_ask)) OVER (ORDER BY recv_ns)
)
ORDER BY recv_ns;

-- ---- trades ------------------------------------------------------------------------------------

-- Bars of the trades made in [from, to), by their own time (the time of receipt where they have
-- none), whenever they were received up to a day later. A bar without trades has no row.
CREATE OR REPLACE MACRO ohlcv(product, "interval", "from", "to") AS TABLE
SELECT time_bucket("interval"::INTERVAL, coalesce(trade_time, recv_time)) AS time,
       arg_min(price, trade_id) AS open, max(price) AS high, min(price) AS low,
       arg_max(price, trade_id) AS close, sum(size) AS volume,
       coalesce(sum(size) FILTER (taker_side = 'BUY'), 0) AS bought,
       sum(price * size) / sum(size) AS vwap, count(*) AS trades
FROM recorder_trades(
    recorder_old('trades', product, recorder_hour("from") - 1, recorder_hour("to") + 24),
    recorder_new('trades', product, recorder_hour("from") - 1, recorder_hour("to") + 24),
    recorder_begin_stamp(recorder_hour("from") - 1), recorder_stamp(recorder_hour("to") + 25))
WHERE product_id = product
  AND coalesce(trade_time, recv_time) >= "from"::TIMESTAMPTZ
  AND coalesce(trade_time, recv_time) < "to"::TIMESTAMPTZ
GROUP BY time
ORDER BY time;
