-- ---- what was recorded, and what was not -------------------------------------------------------

-- What had begun and not ended at the newest cut, as rows of coverage. The two records of a cut
-- are written one after the other: that of the one before is taken as well.
CREATE OR REPLACE MACRO recorder_going_on() AS TABLE
WITH record AS (
    SELECT coalesce(getvariable('recorder_told')::VARCHAR, content)::JSON AS named
    FROM read_text(recorder_path('live/open.jso[n]'))
    WHERE json_valid(content)
), newest AS (
    SELECT parse_filename(file)[:10] AS hour, parse_filename(file)[12:23]::BIGINT AS begun,
           parse_filename(file)[25:36]::BIGINT AS over
    FROM glob(recorder_path('live/cuts/*.json'))
    WHERE regexp_matches(parse_filename(file), '^\d{10}-\d{12}-\d{12}\.json$')
      AND parse_filename(file)[:10] || parse_filename(file)[12:23] < recorder_until()
    ORDER BY hour DESC, over DESC
    LIMIT 1
), tracks AS (
    SELECT (named ->> 'last_ns')::BIGINT AS last_ns,
           unnest(from_json(named -> 'tracks', '[{"channel":"VARCHAR","product_id":"VARCHAR",
               "state":"VARCHAR","start_ns":"BIGINT","reason":"VARCHAR",
               "connection_id":"VARCHAR"}]'), recursive := true)
    FROM record, newest
    WHERE named ->> 'hour' = hour AND (named ->> 'end')::BIGINT IN (begun, over)
      AND recorder_seq(recorder_from_stamp(hour)) >= recorder_switch()
)
SELECT channel, product_id, make_timestamptz(start_ns // 1000) AS start_time,
       make_timestamptz(last_ns // 1000) AS end_time, state, reason, connection_id
FROM tracks
WHERE start_ns < last_ns;

-- Rows of coverage as they are meant: with what is going on, which ends at the newest cut; and what
-- an hour told as recorded is shortened where a later one found that it was not. The row of such a
-- gap begins before the hour that it was noted in.
CREATE OR REPLACE MACRO recorder_meant(_days, _first, _last, _old, _new, _begin, _end) AS TABLE
WITH told AS MATERIALIZED (
    SELECT *, recorder_hour_of(noted_seq) AS noted_hour, row_number() OVER () AS place
    FROM recorder_coverage(_days, _first, _last, _old, _new, _begin, _end)
), taken_back AS (
    SELECT mine.place, min(greatest(gap.start_time, mine.start_time)) AS until
    FROM told AS mine JOIN told AS gap
      ON gap.channel = mine.channel AND gap.product_id IS NOT DISTINCT FROM mine.product_id
    WHERE mine.state <> 'gap' AND gap.state = 'gap' AND gap.noted_hour > mine.noted_hour
      AND epoch_us(gap.start_time) < gap.noted_hour * 3600000000
      AND gap.start_time < mine.end_time AND gap.end_time > mine.start_time
    GROUP BY mine.place
)
SELECT told.* EXCLUDE (noted_hour, place) REPLACE (coalesce(until, end_time) AS end_time)
FROM told LEFT JOIN taken_back USING (place)
WHERE until IS NULL OR until > start_time
UNION ALL BY NAME
SELECT going_on.*, 'still going on at the newest part' AS detail,
       9223372036854775807 AS noted_seq,
       (end_time - INTERVAL 1 microsecond)::DATE AS date,
       extract(hour FROM end_time - INTERVAL 1 microsecond)::INTEGER AS hour
FROM recorder_going_on() AS going_on ANTI JOIN told AS ended
  ON ended.channel = going_on.channel
 AND ended.product_id IS NOT DISTINCT FROM going_on.product_id
 AND ended.connection_id IS NOT DISTINCT FROM going_on.connection_id
 AND ended.state = going_on.state AND ended.start_time = going_on.start_time;

-- What was recorded and what was not, as intervals that do not overlap.
CREATE OR REPLACE VIEW coverage AS
{coverage};

-- What was recorded of a product and what was not, as intervals that touch [from, to), with those of
-- channels without products. The hour after the range is read as well, because it may take
-- something back.
CREATE OR REPLACE MACRO coverage_of(product, "from", "to") AS TABLE
SELECT * EXCLUDE (date, hour)
FROM recorder_meant(
    recorder_days('coverage', recorder_packed_coverage(), '', recorder_hour("from"),
                  recorder_after(recorder_last_hour("to"))),
    recorder_hour("from"), recorder_after(recorder_last_hour("to")),
    recorder_old('coverage', recorder_held_coverage(), '', recorder_hour("from"),
                 recorder_after(recorder_last_hour("to"))),
    recorder_new('coverage', '', recorder_hour("from"), recorder_after(recorder_last_hour("to"))),
    recorder_begin_stamp(recorder_hour("from")),
    recorder_stamp(recorder_after(recorder_last_hour("to")) + 1))
WHERE (product_id = product OR product_id IS NULL) AND start_time < "to"::TIMESTAMPTZ
  AND (end_time > "from"::TIMESTAMPTZ
       OR (end_time = start_time AND start_time >= "from"::TIMESTAMPTZ))
ORDER BY channel, product_id, start_time;

-- What is missing; gap_end is exclusive.
CREATE OR REPLACE MACRO recorder_missing(_days, _first, _last, _old, _new, _begin, _end) AS TABLE
WITH gaps AS (
    SELECT channel, product_id, start_time, end_time
    FROM recorder_coverage(_days, _first, _last, _old, _new, _begin, _end)
    WHERE state = 'gap'
    UNION ALL
    SELECT channel, product_id, start_time, end_time
    FROM recorder_going_on()
    WHERE state = 'gap'
)
SELECT channel AS gap_channel, coalesce(product_id, '') AS gap_product, start_time AS gap_start,
       -- One without length counts at its moment.
       if(end_time = start_time, end_time + INTERVAL 1 microsecond, end_time) AS gap_end
FROM gaps;

-- The same as one value. DuckDB would read coverage anew for every row that in_gap is asked for,
-- if the question held the rows themselves; a value it makes once.
CREATE OR REPLACE MACRO recorder_missing_of(_days, _first, _last, _old, _new, _begin, _end) AS (
    SELECT list({
        channel: gap_channel, product: gap_product, begin: gap_start, over: gap_end,
        first: recorder_hour(gap_start), last: recorder_hour(gap_end)
    })
    FROM recorder_missing(_days, _first, _last, _old, _new, _begin, _end)
);

-- A channel as it is subscribed, by that name or by the name of its table.
CREATE OR REPLACE MACRO recorder_subscribed(_channel) AS
    CASE _channel WHEN 'trades' THEN 'market_trades' WHEN 'user_orders' THEN 'user' ELSE _channel END;
-- Whether that is a channel; null is none, and nothing else passes.
CREATE OR REPLACE MACRO recorder_is_channel(_channel) AS CASE
    WHEN _channel IN ({channels}) THEN true
    WHEN _channel IS NULL THEN false
    ELSE error('in_gap(): ''' || _channel || ''' is no channel. The channels are {channel_names}.')::BOOLEAN
END;

-- Whether a moment lies in one of these, of a product ('' for channels without). By names of its
-- own, so that columns that are asked for are never taken for these. Hours are compared as well, so
-- that it is a join by what is equal.
CREATE OR REPLACE MACRO recorder_misses(_gaps, _product, _channel, _time) AS EXISTS (
    FROM (SELECT unnest(_gaps) AS recorder_gap) AS recorder_gaps,
         (SELECT unnest(range(recorder_gap['first'], recorder_gap['last'] + 1)) AS recorder_gap_hour)
             AS recorder_gap_hours
    WHERE recorder_gap['channel'] = recorder_subscribed(_channel)
      AND recorder_gap['product'] = _product
      AND recorder_gap_hour = recorder_hour(_time)
      AND recorder_gap['begin'] <= _time::TIMESTAMPTZ AND recorder_gap['over'] > _time::TIMESTAMPTZ
);
CREATE OR REPLACE MACRO recorder_all_missing() AS
{all_missing};
CREATE OR REPLACE MACRO recorder_missing_within("from", "to") AS recorder_missing_of(
    recorder_days('coverage', recorder_packed_coverage(), '', recorder_hour("from"),
                  recorder_after(recorder_last_hour("to"))),
    recorder_hour("from"), recorder_after(recorder_last_hour("to")),
    recorder_old('coverage', recorder_held_coverage(), '', recorder_hour("from"),
                 recorder_after(recorder_last_hour("to"))),
    recorder_new('coverage', '', recorder_hour("from"), recorder_after(recorder_last_hour("to"))),
    recorder_begin_stamp(recorder_hour("from")),
    recorder_stamp(recorder_after(recorder_last_hour("to")) + 1));

-- Whether something of a channel is missing at a moment, by the rows of coverage whose state is
-- gap. Where nobody recorded, and nobody has recorded since, there are none. Trades that have been
-- fetched are told as backfilled over a gap that stays. The arguments may be columns. It reads all
-- of coverage; with a range that the moments lie in, only what was told of that range.
CREATE OR REPLACE MACRO in_gap(product, _channel, t) AS
    CASE WHEN recorder_is_channel(_channel)
    THEN recorder_misses(recorder_all_missing(), product, _channel, t)
      OR recorder_misses(recorder_all_missing(), '', _channel, t)
    ELSE false END,
(product, _channel, t, "from", "to") AS
    CASE WHEN recorder_is_channel(_channel)
    THEN recorder_misses(recorder_missing_within("from", "to"), product, _channel, t)
      OR recorder_misses(recorder_missing_within("from", "to"), '', _channel, t)
    ELSE false END;

-- The stretches that a product's books were recorded in, of hours: from, to, connection. Those of
-- the next hour are read as well, because it may take something back.
CREATE OR REPLACE MACRO recorder_book_stretches(product, _first, _last) AS TABLE
SELECT epoch_us(start_time) * 1000 AS stretch_begin_ns, epoch_us(end_time) * 1000 AS stretch_end_ns,
       connection_id AS stretch_connection
FROM recorder_meant(recorder_days('coverage', recorder_packed_coverage(), '', _first, recorder_after(_last)),
                    _first, recorder_after(_last),
                    recorder_old('coverage', recorder_held_coverage(), '', _first, recorder_after(_last)),
                    recorder_new('coverage', '', _first, recorder_after(_last)),
                    recorder_begin_stamp(_first), recorder_stamp(recorder_after(_last) + 1))
WHERE channel = 'level2' AND product_id = product AND state IN ('recorded', 'unverified');

-- ---- books -------------------------------------------------------------------------------------

CREATE OR REPLACE MACRO recorder_changes(product, _first, _last) AS TABLE
FROM recorder_level2(recorder_days('level2', recorder_packed_level2(), product, _first, _last),
                     _first, _last,
                     recorder_old('level2', recorder_held_level2(), product, _first, _last),
                     recorder_new('level2', product, _first, _last),
                     recorder_begin_stamp(_first), recorder_stamp(_last + 1))
WHERE product_id = product;

-- A product's whole book after everything that was received up to t, best levels first. It is the
-- last one that was trusted; book_valid tells whether it still was at t. Nothing where neither the
-- hour of t nor the one before it has a book.
CREATE OR REPLACE MACRO book_at(product, t) AS TABLE
WITH changes AS (
    SELECT side, price, size, price_text, size_text, book_epoch, ingest_seq, connection_id
    FROM recorder_changes(product, recorder_hour(t) - 1, recorder_hour(t))
    WHERE recv_ns <= recorder_ns(t)
), lines AS (
    SELECT arg_max_null(book_epoch, ingest_seq) AS last_epoch, max(book_epoch) AS newest_epoch
    FROM changes
    GROUP BY connection_id
), levels AS (
    SELECT side, price, arg_max({size: size, price_text: price_text, size_text: size_text},
                                ingest_seq) AS held
    FROM changes
    WHERE book_epoch = (SELECT coalesce(max(last_epoch), max(newest_epoch)) FROM lines)
    GROUP BY side, price
)
SELECT side, row_number() OVER (PARTITION BY side ORDER BY if(side = 'bid', -price, price)) AS level,
       price, held.size AS size, held.price_text AS price_text, held.size_text AS size_text
FROM levels
WHERE held.size > 0
ORDER BY side DESC, level;

CREATE OR REPLACE MACRO recorder_levels(n) AS CASE WHEN n >= 1 THEN n ELSE error(
    'depth_at(): n is ' || coalesce(n::VARCHAR, 'null') || '. Give how many levels, from 1 on.') END;

-- The n best levels of each side, with the sum of the sizes from the best one on.
CREATE OR REPLACE MACRO depth_at(product, t, n) AS TABLE
SELECT side, level, price, size,
       sum(size) OVER (PARTITION BY side ORDER BY level ROWS UNBOUNDED PRECEDING) AS total
FROM book_at(product, t)
WHERE level <= (SELECT recorder_levels(n))
ORDER BY side DESC, level;

-- Whether the recorder trusted the book of a product at t.
CREATE OR REPLACE MACRO book_valid(product, t) AS EXISTS (
    SELECT connection_id
    FROM recorder_changes(product, recorder_hour(t) - 1, recorder_hour(t))
    WHERE recv_ns <= recorder_ns(t)
    GROUP BY connection_id
    HAVING arg_max_null(book_epoch, ingest_seq) IS NOT NULL
) AND EXISTS (
    FROM recorder_book_stretches(product, recorder_hour(t) - 1, recorder_hour(t))
    -- Intervals are in microseconds: the last one is meant to its end.
    WHERE stretch_begin_ns <= recorder_ns(t) AND stretch_end_ns >= recorder_ns(t)
);

-- ---- the best bid and ask over time ------------------------------------------------------------

-- What each level came to at each time within [from, to), in nanoseconds: 0 where it is gone. Those
-- before "from" count at it. best is greater the nearer a level is to the other side.
CREATE OR REPLACE MACRO recorder_sizes(product, "from", "to") AS TABLE
SELECT book_epoch AS epoch, connection_id AS line, side, if(side = 'bid', price, -price) AS best,
       greatest(recv_ns, recorder_ns("from")) AS begin_ns,
       arg_max(size, ingest_seq) AS size, min(recv_ns) AS came_ns
FROM recorder_changes(product, recorder_hour("from") - 1, recorder_last_hour("to"))
WHERE recv_ns < recorder_ns("to")
GROUP BY ALL;

-- The best bid and ask of a product after everything received in [from, to): a row where one of
-- them or its size changed, and first what was so at "from". They are null where there was no book
-- to be trusted; a side that is empty is null alone.
--
-- A book ends with what was recorded of its connection, with its connection's next one, or where
-- changes came that were not applied; of several that there are at a time the newest is shown.
-- Levels that are there all through a stretch of time are told by the best of them, and only what
-- is better for a part of it is looked at more closely, in two steps: 256 seconds, 4 seconds.
CREATE OR REPLACE MACRO top_of_book(product, "from", "to") AS TABLE
WITH sizes AS MATERIALIZED (
    FROM recorder_sizes(product, "from", "to")
), books AS (
    SELECT epoch, line, min(came_ns) AS came_ns,
           coalesce(lead(min(came_ns)) OVER (PARTITION BY line ORDER BY min(came_ns)),
                    recorder_ns("to")) AS over_ns
    FROM sizes
    GROUP BY epoch, line
), lives AS (
    SELECT epoch, greatest(came_ns, recorder_ns("from")) AS begin_ns,
           -- It ends with the microsecond of its last frame, or goes on in the next hour.
           arg_max(if(stretch_end_ns % 3600000000000 = 0, over_ns,
                      least(over_ns, stretch_end_ns + 1000)), stretch_begin_ns) AS end_ns
    FROM books JOIN recorder_book_stretches(product, recorder_hour("from") - 1,
                                            recorder_last_hour("to"))
      ON stretch_connection = line AND came_ns >= stretch_begin_ns AND came_ns < stretch_end_ns + 1000
    WHERE epoch IS NOT NULL
    GROUP BY epoch, came_ns
    HAVING end_ns > begin_ns
), bounds AS (
    SELECT begin_ns AS bound_ns FROM lives UNION SELECT end_ns FROM lives
), shown AS MATERIALIZED (
    SELECT max(epoch) AS epoch, from_ns, until_ns
    FROM (SELECT bound_ns AS from_ns, lead(bound_ns) OVER (ORDER BY bound_ns) AS until_ns
          FROM bounds) AS between_bounds
    JOIN lives ON begin_ns <= from_ns AND end_ns > from_ns
    GROUP BY from_ns, until_ns
), instants AS MATERIALIZED (
    SELECT at_ns, shown.epoch
    FROM (SELECT begin_ns AS at_ns FROM sizes
          UNION SELECT bound_ns FROM bounds WHERE bound_ns < recorder_ns("to")
          UNION SELECT recorder_ns("from")) AS every
    LEFT JOIN shown ON at_ns >= from_ns AND at_ns < until_ns
    WHERE at_ns < recorder_ns("to")
), turns AS (
    SELECT * FROM sizes
    WHERE epoch IS NOT NULL
    QUALIFY (size > 0) IS DISTINCT FROM
            lag(size > 0, 1, false) OVER (PARTITION BY epoch, side, best ORDER BY begin_ns)
), spells AS (
    SELECT epoch, side, best, size, begin_ns,
           lead(begin_ns, 1, recorder_ns("to"))
               OVER (PARTITION BY epoch, side, best ORDER BY begin_ns) AS end_ns
    FROM turns
), stays AS MATERIALIZED (
    SELECT side, best, greatest(begin_ns, from_ns) AS begin_ns, least(end_ns, until_ns) AS end_ns
    FROM spells JOIN shown USING (epoch)
    WHERE size > 0 AND begin_ns < until_ns AND end_ns > from_ns
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
    SELECT at_ns, epoch, side, max(best) AS best FROM (
        SELECT at_ns, epoch, side, best
        FROM instants JOIN long_filled ON at_ns // 256000000000 = stretch
        UNION ALL
        SELECT at_ns, epoch, side, best
        FROM instants JOIN short_filled ON at_ns // 4000000000 = stretch
        UNION ALL
        SELECT at_ns, epoch, side, best
        FROM instants JOIN short_rest ON at_ns // 4000000000 = stretch
         AND at_ns >= begin_ns AND at_ns < end_ns)
    GROUP BY at_ns, epoch, side
), sized AS (
    SELECT at_ns, bests.side, abs(bests.best) AS price, size
    FROM bests ASOF JOIN sizes ON bests.epoch = sizes.epoch AND bests.side = sizes.side
     AND bests.best = sizes.best AND bests.at_ns >= sizes.begin_ns
), tops AS (
    SELECT at_ns,
           max(price) FILTER (side = 'bid') AS best_bid,
           max(size) FILTER (side = 'bid') AS best_bid_size,
           max(price) FILTER (side = 'ask') AS best_ask,
           max(size) FILTER (side = 'ask') AS best_ask_size
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
       (lead(recv_ns, 1, recorder_ns("to")) OVER (ORDER BY recv_ns) - recv_ns) / 1e9 AS seconds
FROM (
    FROM top_of_book(product, "from", "to")
    QUALIFY row_number() OVER (ORDER BY recv_ns) = 1
         OR (best_bid, best_ask) IS DISTINCT FROM
            lag((best_bid, best_ask)) OVER (ORDER BY recv_ns)
)
ORDER BY recv_time;

-- ---- trades ------------------------------------------------------------------------------------

CREATE OR REPLACE MACRO recorder_is_width(_width) AS
    CASE WHEN _width::INTERVAL > INTERVAL 0 SECOND THEN true ELSE error('ohlcv(): ' ||
        coalesce('''' || _width::VARCHAR || '''', 'null') || ' is no length of bars. Write 1s, 5m, 1h.')::BOOLEAN
    END;

-- Bars of the trades made in [from, to) by their own time (that of receipt where they have none),
-- if they were received up to a day later. A bar without trades has no row.
CREATE OR REPLACE MACRO ohlcv(product, "interval", "from", "to") AS TABLE
SELECT time_bucket("interval"::INTERVAL, coalesce(trade_time, recv_time)) AS start_time,
       arg_min(price, trade_id) AS open, max(price) AS high, min(price) AS low,
       arg_max(price, trade_id) AS close, sum(size) AS volume,
       sum(price * size) / nullif(sum(size), 0) AS vwap,
       coalesce(sum(size) FILTER (taker_side = 'BUY'), 0) AS bought, count(*) AS trades
FROM recorder_trades(
    recorder_days('trades', recorder_packed_trades(), product, recorder_hour("from") - 1, recorder_hour("to") + 24),
    recorder_hour("from") - 1, recorder_hour("to") + 24,
    recorder_old('trades', recorder_held_trades(), product, recorder_hour("from") - 1, recorder_hour("to") + 24),
    recorder_new('trades', product, recorder_hour("from") - 1, recorder_hour("to") + 24),
    recorder_begin_stamp(recorder_hour("from") - 1), recorder_stamp(recorder_hour("to") + 25))
WHERE (SELECT recorder_is_width("interval")) AND product_id = product
  AND coalesce(trade_time, recv_time) >= "from"::TIMESTAMPTZ
  AND coalesce(trade_time, recv_time) < "to"::TIMESTAMPTZ
GROUP BY ALL
ORDER BY start_time;
