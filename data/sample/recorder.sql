-- SHA-256 of the lines below: 207fcde0c4a132cc8a430a2a22333e0bc362e834e7fbf293db44d8dd75429d16
-- This data directory for DuckDB 2.0 and newer: views of everything, and macros that open only the
-- files they need. The recorder writes it, and replaces it: do not edit.
--
--     duckdb -init data/recorder.sql
--
--     FROM trades LIMIT 5;
--     FROM book_at('BTC-USD', '2026-11-21T19:30:00') WHERE level <= 10;
--     FROM ohlcv('BTC-USD', '1m', '2026-11-21', '2026-11-22');
--
-- Views: level2, trades, ticker, candles, heartbeats, status, coverage, faults, audits, user_orders.
-- Where the directory was moved since, first: SET VARIABLE recorder_root = '/where/it/is/now';
-- Hours count from 1970, as everywhere in the recorder.

SET VARIABLE recorder_duckdb = CASE
    WHEN try_cast(split_part(ltrim(version(), 'v'), '.', 1) AS INTEGER) < 2
    THEN error('recorder.sql needs DuckDB 2.0 or newer, and this is ' || version())
    ELSE version()
END;
SET TimeZone = 'UTC';
-- No file is opened to plan a query, so that DuckDB takes every table for a small one, and would do
-- ASOF joins by comparing all rows with all.
SET asof_loop_join_threshold = 0;

-- ---- what was sealed when this was written -----------------------------------------------------

CREATE OR REPLACE MACRO recorder_root() AS coalesce(getvariable('recorder_root')::VARCHAR, 'data/sample');
-- Readers took sealed files for the hours before this one.
CREATE OR REPLACE MACRO recorder_switched() AS 498693::BIGINT;
-- Whether they still do must be looked up from this one on: an hour that was sealed before it was
-- over is opened again where recording goes on in it.
CREATE OR REPLACE MACRO recorder_old_before() AS 498692::BIGINT;
CREATE OR REPLACE MACRO recorder_sealed_hours() AS [[498690, 498692]]::BIGINT[][];
CREATE OR REPLACE MACRO recorder_packed_days() AS []::BIGINT[][];

-- ---- hours and names ---------------------------------------------------------------------------

-- What lies outside of what nanoseconds can tell, 1677 to 2262, is taken as the end of that.
CREATE OR REPLACE MACRO recorder_ns(_time) AS
    least(greatest(epoch_us(_time::TIMESTAMPTZ), -9223372036854775), 9223372036854775) * 1000;
CREATE OR REPLACE MACRO recorder_hour(_time) AS epoch_us(_time::TIMESTAMPTZ) // 3600000000;
-- The last hour of a range whose end is exclusive.
CREATE OR REPLACE MACRO recorder_last_hour(_time) AS
    (epoch_us(_time::TIMESTAMPTZ) - 1) // 3600000000;
CREATE OR REPLACE MACRO recorder_that_can_be(_hour) AS least(greatest(_hour, 0), 2500000);
CREATE OR REPLACE MACRO recorder_in_text(_hour, _form) AS
    strftime(make_timestamp(recorder_that_can_be(_hour) * 3600000000), _form);
CREATE OR REPLACE MACRO recorder_stamp(_hour) AS recorder_in_text(_hour, '%Y%m%d%H');
CREATE OR REPLACE MACRO recorder_from_stamp(_stamp) AS
    epoch(strptime(_stamp, '%Y%m%d%H'))::BIGINT // 3600;
-- The first ingest_seq (or noted_seq) of an hour.
CREATE OR REPLACE MACRO recorder_seq(_hour) AS _hour::BIGINT * 34359738368 + (-15059461009833984);
CREATE OR REPLACE MACRO recorder_hour_of(_seq) AS (_seq - (-15059461009833984)) // 34359738368;
-- Text as a pattern that finds just this text.
CREATE OR REPLACE MACRO recorder_literal(_text) AS
    regexp_replace(_text, '([*?\[])', '[\1]', 'g');
CREATE OR REPLACE MACRO recorder_path(_path) AS
    recorder_literal(rtrim(recorder_root(), '/')) || '/' || _path;
-- A file without rows, so that there always is one: columns and types are declared, not read.
CREATE OR REPLACE MACRO recorder_empty() AS recorder_path('live/level2/0-empty.parquet');
-- Live parts, and nothing else that lies among them.
CREATE OR REPLACE MACRO recorder_parts(_table) AS
    recorder_path('live/' || _table || '/' || repeat('[0-9]', 10) || '-' || repeat('[0-9]', 12)
        || '-' || repeat('[0-9]', 12) || '.parquet');
-- What parts are read begins before this: all there are, or what there was at one moment, told by
-- whoever asks of that.
CREATE OR REPLACE MACRO recorder_until() AS coalesce(getvariable('recorder_until')::VARCHAR, '9');
-- A sealed file; of all products where the pattern is '*', and '' is for tables without.
CREATE OR REPLACE MACRO recorder_file(_table, _product, _hour) AS
    recorder_path(_table || if(_product = '', '', '/product=' || _product)
        || recorder_in_text(_hour, '/date=%Y-%m-%d/hour=%H/') || _table
        || if(_product = '', '', '-' || _product)
        || recorder_in_text(_hour, '-%Y%m%dT%H.parquet'));
-- The file of a packed day, which holds the rows of all its hours.
CREATE OR REPLACE MACRO recorder_day_file(_table, _product, _day) AS
    recorder_path('packed/' || _table || if(_product = '', '', '/product=' || _product)
        || recorder_in_text(_day * 24, '/date=%Y-%m-%d/') || _table
        || if(_product = '', '', '-' || _product)
        || recorder_in_text(_day * 24, '-%Y%m%d.parquet'));

-- What the path of a file tells. DuckDB asks this of every file alone, to leave out those that are
-- not wanted, and regular expressions would take most of the time of a query over many.
CREATE OR REPLACE MACRO recorder_product_in(_name) AS substr(string_split(_name, '/')[-4], 9);
CREATE OR REPLACE MACRO recorder_date_in(_name) AS
    try_cast(substr(string_split(_name, '/')[-3], 6) AS DATE);
CREATE OR REPLACE MACRO recorder_hour_in(_name) AS try_cast(substr(_name, -10, 2) AS INTEGER);
-- Of the file of a packed day.
CREATE OR REPLACE MACRO recorder_packed_product(_name) AS substr(string_split(_name, '/')[-3], 9);
CREATE OR REPLACE MACRO recorder_packed_date(_name) AS
    try_cast(substr(string_split(_name, '/')[-2], 6) AS DATE);
-- Whether a file is named as ours are: a copy under another name is not read.
CREATE OR REPLACE MACRO recorder_is_named(_name, _table) AS
    string_split(_name, '/')[-1] = _table || '-' || recorder_product_in(_name) || substr(_name, -20);
CREATE OR REPLACE MACRO recorder_live_stamp(_name) AS substr(_name, -44, 10);
CREATE OR REPLACE MACRO recorder_live_begin(_name) AS
    substr(_name, -44, 10) || substr(_name, -33, 12);
CREATE OR REPLACE MACRO recorder_live_date(_name) AS
    try_strptime(substr(_name, -44, 8), '%Y%m%d')::DATE;
CREATE OR REPLACE MACRO recorder_live_hour(_name) AS try_cast(substr(_name, -36, 2) AS INTEGER);

-- ---- files -------------------------------------------------------------------------------------

-- The hours that were open when this was read, and those that a start might recover yet: what is
-- sealed from here on is among them or later, and found by its name.
SET VARIABLE recorder_open = (
    SELECT {
        'hours': coalesce(list(DISTINCT recorder_from_stamp(parse_filename(file)[:10])), []),
        'since': greatest(recorder_switched(), recorder_hour(now()) - 48)
    }
    FROM glob(recorder_path('live/cuts/*.json'))
    WHERE regexp_matches(parse_filename(file), '^\d{10}-\d{12}-\d{12}\.json$')
);
-- A clock may be an hour ahead of ours.
CREATE OR REPLACE MACRO recorder_open_hours() AS list_distinct(list_concat(
    coalesce(getvariable('recorder_open').hours, []::BIGINT[]),
    range(coalesce(getvariable('recorder_open').since, 498693), recorder_hour(now()) + 2)));

-- What the names of parts begin with that are read for an hour and later ones.
CREATE OR REPLACE MACRO recorder_begin_stamp(_hour) AS
    recorder_stamp(greatest(_hour, recorder_old_before()));

-- Hours that are named here, as far as they lie in [first, last].
CREATE OR REPLACE MACRO recorder_within(_spans, _first, _last) AS flatten(list_transform(_spans,
    lambda span: range(greatest(span[1], _first), least(span[2], _last) + 1)));
-- The next hour after one that has anything.
CREATE OR REPLACE MACRO recorder_after(_hour) AS coalesce(list_min(list_concat(
    list_transform(list_filter(recorder_sealed_hours(), lambda span: span[2] > _hour),
                   lambda span: greatest(span[1], _hour + 1)),
    list_filter(recorder_open_hours(), lambda an_hour: an_hour > greatest(_hour, recorder_switched() - 1))
)), _hour + 1);
-- The files of all products: those that were recorded in the same hours stand together.
CREATE OR REPLACE MACRO recorder_listed(_table, _held, _first, _last) AS flatten(list_transform(
    _held,
    lambda each: flatten(list_transform(each['products'],
        lambda a_product: list_transform(recorder_within(each['hours'], _first, _last),
            lambda an_hour: recorder_file(_table, recorder_literal(a_product), an_hour))))));
CREATE OR REPLACE MACRO recorder_looked_for(_table, _product, _first, _last) AS list_transform(
    list_filter(recorder_open_hours(), lambda an_hour: an_hour >= greatest(_first, recorder_switched())
        AND an_hour <= _last),
    lambda an_hour: recorder_file(_table, _product, an_hour));
-- The files of packed days that hold hours of [first, last]; of all products, or of one.
CREATE OR REPLACE MACRO recorder_days_listed(_table, _packed, _first, _last) AS
    flatten(list_transform(_packed,
        lambda each: flatten(list_transform(each['products'],
            lambda a_product: list_transform(
                recorder_within(each['hours'], _first // 24, _last // 24),
                lambda a_day: recorder_day_file(_table, recorder_literal(a_product), a_day))))));
CREATE OR REPLACE MACRO recorder_days(_table, _packed, _product, _first, _last) AS list_transform(
    flatten(list_transform(
        list_filter(_packed, lambda each: list_contains(each['products'], _product)),
        lambda each: recorder_within(each['hours'], _first // 24, _last // 24))),
    lambda a_day: recorder_day_file(_table, recorder_literal(_product), a_day));
-- The records of days that this does not know as packed, and of which hours may be looked for.
CREATE OR REPLACE MACRO recorder_new_days() AS list_transform(
    list_filter(
        list_distinct(list_transform(list_append(recorder_open_hours(), recorder_old_before()),
                                     lambda an_hour: an_hour // 24)),
        lambda a_day: len(recorder_within(recorder_packed_days(), a_day, a_day)) = 0),
    lambda a_day: recorder_path('commits/' || recorder_in_text(a_day * 24, '%Y%m%d') || '.jso[n]'));
-- The files of a product: those that are sealed for sure and must be there, and those that may be
-- there by now.
CREATE OR REPLACE MACRO recorder_old(_table, _held, _product, _first, _last) AS list_transform(
    flatten(list_transform(
        list_filter(_held, lambda each: list_contains(each['products'], _product)),
        lambda each: recorder_within(each['hours'], _first, least(_last, recorder_old_before() - 1)))),
    lambda an_hour: recorder_file(_table, recorder_literal(_product), an_hour));
CREATE OR REPLACE MACRO recorder_new(_table, _product, _first, _last) AS list_concat(
    list_transform(
        recorder_within(recorder_sealed_hours(), greatest(_first, recorder_old_before()), _last),
        lambda an_hour: recorder_file(_table, recorder_literal(_product), an_hour)),
    recorder_looked_for(_table, recorder_literal(_product), _first, _last));

-- The first number that is read from live parts; sealed files have those before. A query that
-- began before a switch keeps to the one before it, because it may have listed files by then.
CREATE OR REPLACE MACRO recorder_switch() AS (
    WITH file AS (
        SELECT if(json_valid(content), content,
                  error(filename || ' is not readable: run recorder repair'))::JSON AS record,
               epoch_us(now()) AS began_us
        FROM read_text(recorder_path('current.jso[n]'))
    ), earlier AS (
        SELECT unnest(from_json(record -> 'earlier', '[{"hour":"VARCHAR","until_us":"BIGINT"}]'),
                      recursive := true), began_us
        FROM file
    ), kept AS (
        SELECT arg_min(coalesce(recorder_seq(recorder_from_stamp(hour)), (-4611686018427387904)), until_us) AS seq
        FROM earlier
        -- Longer ago than a minute: a clock was set back, or the transaction is old.
        WHERE until_us > began_us AND until_us < began_us + 60000000
    ), packed AS (
        -- What was looked for by name goes an hour later, and would be missed in silence.
        SELECT if(count(*) = 0, 0, error(
            'recorder.sql is out of date, read it again: ' || max(filename) || ' is newer')::BIGINT) AS seq
        FROM read_text(recorder_new_days())
        WHERE last_modified < now() - INTERVAL 55 minutes
    )
    SELECT coalesce((SELECT seq FROM kept),
                    (SELECT recorder_seq(recorder_from_stamp(record ->> 'hour')) FROM file),
                    (-4611686018427387904)) + (SELECT seq FROM packed)
);

-- Changes of the order book, absolute sizes; size 0 removes the level.
CREATE OR REPLACE MACRO recorder_columns_level2() AS MAP {'recv_time': {name: 'recv_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'product_id': {name: 'product_id', type: 'VARCHAR', default_value: NULL}, 'kind': {name: 'kind', type: 'VARCHAR', default_value: NULL}, 'side': {name: 'side', type: 'VARCHAR', default_value: NULL}, 'price': {name: 'price', type: 'DOUBLE', default_value: NULL}, 'size': {name: 'size', type: 'DOUBLE', default_value: NULL}, 'exchange_time': {name: 'exchange_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'event_time': {name: 'event_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'book_epoch': {name: 'book_epoch', type: 'BIGINT', default_value: NULL}, 'sequence': {name: 'sequence', type: 'BIGINT', default_value: NULL}, 'ingest_seq': {name: 'ingest_seq', type: 'BIGINT', default_value: NULL}, 'connection_id': {name: 'connection_id', type: 'VARCHAR', default_value: NULL}, 'recv_ns': {name: 'recv_ns', type: 'BIGINT', default_value: NULL}, 'exchange_ns': {name: 'exchange_ns', type: 'BIGINT', default_value: NULL}, 'price_text': {name: 'price_text', type: 'VARCHAR', default_value: NULL}, 'size_text': {name: 'size_text', type: 'VARCHAR', default_value: NULL}};
-- The sealed rows stand alone: within a WITH, count(*) would read every column.
CREATE OR REPLACE MACRO recorder_level2(_days, _first, _last, _old, _new, _begin, _end) AS TABLE
SELECT recv_time, recorder_product_in(filename) AS product_id, kind, side, price, size, exchange_time, event_time, book_epoch, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, price_text, size_text, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _old), schema = recorder_columns_level2())
UNION ALL
SELECT recv_time, recorder_packed_product(filename) AS product_id, kind, side, price, size, exchange_time, event_time, book_epoch, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, price_text, size_text, recorder_packed_date(filename) AS date,
       (recorder_hour_of(ingest_seq) % 24)::INTEGER AS hour
FROM read_parquet(list_prepend(recorder_empty(), _days), schema = recorder_columns_level2())
WHERE ingest_seq >= recorder_seq(recorder_that_can_be(_first))
  AND ingest_seq < recorder_seq(recorder_that_can_be(_last) + 1)
UNION ALL
FROM (
WITH switch_in_force AS MATERIALIZED (SELECT recorder_switch() AS seq)
SELECT recv_time, recorder_product_in(filename) AS product_id, kind, side, price, size, exchange_time, event_time, book_epoch, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, price_text, size_text, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _new), schema = recorder_columns_level2(),
                  allow_empty = true)
WHERE ingest_seq < (SELECT seq FROM switch_in_force) AND recorder_is_named(filename, 'level2')
UNION ALL
SELECT recv_time, product_id, kind, side, price, size, exchange_time, event_time, book_epoch, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, price_text, size_text, recorder_live_date(filename) AS date, recorder_live_hour(filename) AS hour
FROM read_parquet([recorder_empty(), recorder_parts('level2')],
                  schema = recorder_columns_level2(), allow_empty = true)
WHERE recorder_live_stamp(filename) >= _begin AND recorder_live_stamp(filename) < _end
  AND recorder_live_begin(filename) < recorder_until()
  AND ingest_seq >= (SELECT seq FROM switch_in_force)
);

CREATE OR REPLACE MACRO recorder_held_level2() AS [
    {products: ['BTC-USD', 'ETH-USD', 'SOL-USD'], hours: [[498690, 498692]]::BIGINT[][]}
]::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE MACRO recorder_packed_level2() AS []::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE VIEW level2 AS
FROM recorder_level2(
    recorder_days_listed('level2', recorder_packed_level2(), 0, 2500000), 0, 2500000,
    recorder_listed('level2', recorder_held_level2(), 0, recorder_old_before() - 1),
    list_concat(recorder_listed('level2', recorder_held_level2(), recorder_old_before(), 2500000),
                recorder_looked_for('level2', '*', 0, 2500000)),
    recorder_begin_stamp(0), '9');

-- Trades, oldest first, each trade_id of a product once.
CREATE OR REPLACE MACRO recorder_columns_trades() AS MAP {'recv_time': {name: 'recv_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'product_id': {name: 'product_id', type: 'VARCHAR', default_value: NULL}, 'kind': {name: 'kind', type: 'VARCHAR', default_value: NULL}, 'trade_id': {name: 'trade_id', type: 'BIGINT', default_value: NULL}, 'side': {name: 'side', type: 'VARCHAR', default_value: NULL}, 'taker_side': {name: 'taker_side', type: 'VARCHAR', default_value: NULL}, 'price': {name: 'price', type: 'DOUBLE', default_value: NULL}, 'size': {name: 'size', type: 'DOUBLE', default_value: NULL}, 'trade_time': {name: 'trade_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'exchange_time': {name: 'exchange_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'sequence': {name: 'sequence', type: 'BIGINT', default_value: NULL}, 'ingest_seq': {name: 'ingest_seq', type: 'BIGINT', default_value: NULL}, 'connection_id': {name: 'connection_id', type: 'VARCHAR', default_value: NULL}, 'recv_ns': {name: 'recv_ns', type: 'BIGINT', default_value: NULL}, 'exchange_ns': {name: 'exchange_ns', type: 'BIGINT', default_value: NULL}, 'price_text': {name: 'price_text', type: 'VARCHAR', default_value: NULL}, 'size_text': {name: 'size_text', type: 'VARCHAR', default_value: NULL}};
-- The sealed rows stand alone: within a WITH, count(*) would read every column.
CREATE OR REPLACE MACRO recorder_trades(_days, _first, _last, _old, _new, _begin, _end) AS TABLE
SELECT recv_time, recorder_product_in(filename) AS product_id, kind, trade_id, side, taker_side, price, size, trade_time, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, price_text, size_text, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _old), schema = recorder_columns_trades())
UNION ALL
SELECT recv_time, recorder_packed_product(filename) AS product_id, kind, trade_id, side, taker_side, price, size, trade_time, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, price_text, size_text, recorder_packed_date(filename) AS date,
       (recorder_hour_of(ingest_seq) % 24)::INTEGER AS hour
FROM read_parquet(list_prepend(recorder_empty(), _days), schema = recorder_columns_trades())
WHERE ingest_seq >= recorder_seq(recorder_that_can_be(_first))
  AND ingest_seq < recorder_seq(recorder_that_can_be(_last) + 1)
UNION ALL
FROM (
WITH switch_in_force AS MATERIALIZED (SELECT recorder_switch() AS seq)
SELECT recv_time, recorder_product_in(filename) AS product_id, kind, trade_id, side, taker_side, price, size, trade_time, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, price_text, size_text, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _new), schema = recorder_columns_trades(),
                  allow_empty = true)
WHERE ingest_seq < (SELECT seq FROM switch_in_force) AND recorder_is_named(filename, 'trades')
UNION ALL
SELECT recv_time, product_id, kind, trade_id, side, taker_side, price, size, trade_time, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, price_text, size_text, recorder_live_date(filename) AS date, recorder_live_hour(filename) AS hour
FROM read_parquet([recorder_empty(), recorder_parts('trades')],
                  schema = recorder_columns_trades(), allow_empty = true)
WHERE recorder_live_stamp(filename) >= _begin AND recorder_live_stamp(filename) < _end
  AND recorder_live_begin(filename) < recorder_until()
  AND ingest_seq >= (SELECT seq FROM switch_in_force)
);

CREATE OR REPLACE MACRO recorder_held_trades() AS [
    {products: ['BTC-USD', 'ETH-USD', 'SOL-USD'], hours: [[498690, 498692]]::BIGINT[][]}
]::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE MACRO recorder_packed_trades() AS []::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE VIEW trades AS
FROM recorder_trades(
    recorder_days_listed('trades', recorder_packed_trades(), 0, 2500000), 0, 2500000,
    recorder_listed('trades', recorder_held_trades(), 0, recorder_old_before() - 1),
    list_concat(recorder_listed('trades', recorder_held_trades(), recorder_old_before(), 2500000),
                recorder_looked_for('trades', '*', 0, 2500000)),
    recorder_begin_stamp(0), '9');

-- Tickers, of the channels ticker and ticker_batch.
CREATE OR REPLACE MACRO recorder_columns_ticker() AS MAP {'recv_time': {name: 'recv_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'product_id': {name: 'product_id', type: 'VARCHAR', default_value: NULL}, 'kind': {name: 'kind', type: 'VARCHAR', default_value: NULL}, 'price': {name: 'price', type: 'DOUBLE', default_value: NULL}, 'best_bid': {name: 'best_bid', type: 'DOUBLE', default_value: NULL}, 'best_bid_size': {name: 'best_bid_size', type: 'DOUBLE', default_value: NULL}, 'best_ask': {name: 'best_ask', type: 'DOUBLE', default_value: NULL}, 'best_ask_size': {name: 'best_ask_size', type: 'DOUBLE', default_value: NULL}, 'last_size': {name: 'last_size', type: 'DOUBLE', default_value: NULL}, 'volume_24h': {name: 'volume_24h', type: 'DOUBLE', default_value: NULL}, 'volume_30d': {name: 'volume_30d', type: 'DOUBLE', default_value: NULL}, 'low_24h': {name: 'low_24h', type: 'DOUBLE', default_value: NULL}, 'high_24h': {name: 'high_24h', type: 'DOUBLE', default_value: NULL}, 'open_24h': {name: 'open_24h', type: 'DOUBLE', default_value: NULL}, 'low_52w': {name: 'low_52w', type: 'DOUBLE', default_value: NULL}, 'high_52w': {name: 'high_52w', type: 'DOUBLE', default_value: NULL}, 'price_percent_chg_24h': {name: 'price_percent_chg_24h', type: 'DOUBLE', default_value: NULL}, 'last_side': {name: 'last_side', type: 'VARCHAR', default_value: NULL}, 'trade_id': {name: 'trade_id', type: 'BIGINT', default_value: NULL}, 'exchange_time': {name: 'exchange_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'sequence': {name: 'sequence', type: 'BIGINT', default_value: NULL}, 'ingest_seq': {name: 'ingest_seq', type: 'BIGINT', default_value: NULL}, 'connection_id': {name: 'connection_id', type: 'VARCHAR', default_value: NULL}, 'recv_ns': {name: 'recv_ns', type: 'BIGINT', default_value: NULL}, 'exchange_ns': {name: 'exchange_ns', type: 'BIGINT', default_value: NULL}, 'inexact_text': {name: 'inexact_text', type: 'VARCHAR', default_value: NULL}};
-- The sealed rows stand alone: within a WITH, count(*) would read every column.
CREATE OR REPLACE MACRO recorder_ticker(_days, _first, _last, _old, _new, _begin, _end) AS TABLE
SELECT recv_time, recorder_product_in(filename) AS product_id, kind, price, best_bid, best_bid_size, best_ask, best_ask_size, last_size, volume_24h, volume_30d, low_24h, high_24h, open_24h, low_52w, high_52w, price_percent_chg_24h, last_side, trade_id, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, inexact_text, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _old), schema = recorder_columns_ticker())
UNION ALL
SELECT recv_time, recorder_packed_product(filename) AS product_id, kind, price, best_bid, best_bid_size, best_ask, best_ask_size, last_size, volume_24h, volume_30d, low_24h, high_24h, open_24h, low_52w, high_52w, price_percent_chg_24h, last_side, trade_id, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, inexact_text, recorder_packed_date(filename) AS date,
       (recorder_hour_of(ingest_seq) % 24)::INTEGER AS hour
FROM read_parquet(list_prepend(recorder_empty(), _days), schema = recorder_columns_ticker())
WHERE ingest_seq >= recorder_seq(recorder_that_can_be(_first))
  AND ingest_seq < recorder_seq(recorder_that_can_be(_last) + 1)
UNION ALL
FROM (
WITH switch_in_force AS MATERIALIZED (SELECT recorder_switch() AS seq)
SELECT recv_time, recorder_product_in(filename) AS product_id, kind, price, best_bid, best_bid_size, best_ask, best_ask_size, last_size, volume_24h, volume_30d, low_24h, high_24h, open_24h, low_52w, high_52w, price_percent_chg_24h, last_side, trade_id, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, inexact_text, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _new), schema = recorder_columns_ticker(),
                  allow_empty = true)
WHERE ingest_seq < (SELECT seq FROM switch_in_force) AND recorder_is_named(filename, 'ticker')
UNION ALL
SELECT recv_time, product_id, kind, price, best_bid, best_bid_size, best_ask, best_ask_size, last_size, volume_24h, volume_30d, low_24h, high_24h, open_24h, low_52w, high_52w, price_percent_chg_24h, last_side, trade_id, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, inexact_text, recorder_live_date(filename) AS date, recorder_live_hour(filename) AS hour
FROM read_parquet([recorder_empty(), recorder_parts('ticker')],
                  schema = recorder_columns_ticker(), allow_empty = true)
WHERE recorder_live_stamp(filename) >= _begin AND recorder_live_stamp(filename) < _end
  AND recorder_live_begin(filename) < recorder_until()
  AND ingest_seq >= (SELECT seq FROM switch_in_force)
);

CREATE OR REPLACE MACRO recorder_held_ticker() AS [
    {products: ['BTC-USD', 'ETH-USD', 'SOL-USD'], hours: [[498690, 498692]]::BIGINT[][]}
]::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE MACRO recorder_packed_ticker() AS []::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE VIEW ticker AS
FROM recorder_ticker(
    recorder_days_listed('ticker', recorder_packed_ticker(), 0, 2500000), 0, 2500000,
    recorder_listed('ticker', recorder_held_ticker(), 0, recorder_old_before() - 1),
    list_concat(recorder_listed('ticker', recorder_held_ticker(), recorder_old_before(), 2500000),
                recorder_looked_for('ticker', '*', 0, 2500000)),
    recorder_begin_stamp(0), '9');

-- Five-minute candles as sent; the forming one comes again and again.
CREATE OR REPLACE MACRO recorder_columns_candles() AS MAP {'recv_time': {name: 'recv_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'product_id': {name: 'product_id', type: 'VARCHAR', default_value: NULL}, 'kind': {name: 'kind', type: 'VARCHAR', default_value: NULL}, 'start_time': {name: 'start_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'open': {name: 'open', type: 'DOUBLE', default_value: NULL}, 'high': {name: 'high', type: 'DOUBLE', default_value: NULL}, 'low': {name: 'low', type: 'DOUBLE', default_value: NULL}, 'close': {name: 'close', type: 'DOUBLE', default_value: NULL}, 'volume': {name: 'volume', type: 'DOUBLE', default_value: NULL}, 'exchange_time': {name: 'exchange_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'sequence': {name: 'sequence', type: 'BIGINT', default_value: NULL}, 'ingest_seq': {name: 'ingest_seq', type: 'BIGINT', default_value: NULL}, 'connection_id': {name: 'connection_id', type: 'VARCHAR', default_value: NULL}, 'recv_ns': {name: 'recv_ns', type: 'BIGINT', default_value: NULL}, 'exchange_ns': {name: 'exchange_ns', type: 'BIGINT', default_value: NULL}};
-- The sealed rows stand alone: within a WITH, count(*) would read every column.
CREATE OR REPLACE MACRO recorder_candles(_days, _first, _last, _old, _new, _begin, _end) AS TABLE
SELECT recv_time, recorder_product_in(filename) AS product_id, kind, start_time, open, high, low, close, volume, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _old), schema = recorder_columns_candles())
UNION ALL
SELECT recv_time, recorder_packed_product(filename) AS product_id, kind, start_time, open, high, low, close, volume, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, recorder_packed_date(filename) AS date,
       (recorder_hour_of(ingest_seq) % 24)::INTEGER AS hour
FROM read_parquet(list_prepend(recorder_empty(), _days), schema = recorder_columns_candles())
WHERE ingest_seq >= recorder_seq(recorder_that_can_be(_first))
  AND ingest_seq < recorder_seq(recorder_that_can_be(_last) + 1)
UNION ALL
FROM (
WITH switch_in_force AS MATERIALIZED (SELECT recorder_switch() AS seq)
SELECT recv_time, recorder_product_in(filename) AS product_id, kind, start_time, open, high, low, close, volume, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _new), schema = recorder_columns_candles(),
                  allow_empty = true)
WHERE ingest_seq < (SELECT seq FROM switch_in_force) AND recorder_is_named(filename, 'candles')
UNION ALL
SELECT recv_time, product_id, kind, start_time, open, high, low, close, volume, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, recorder_live_date(filename) AS date, recorder_live_hour(filename) AS hour
FROM read_parquet([recorder_empty(), recorder_parts('candles')],
                  schema = recorder_columns_candles(), allow_empty = true)
WHERE recorder_live_stamp(filename) >= _begin AND recorder_live_stamp(filename) < _end
  AND recorder_live_begin(filename) < recorder_until()
  AND ingest_seq >= (SELECT seq FROM switch_in_force)
);

CREATE OR REPLACE MACRO recorder_held_candles() AS []::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE MACRO recorder_packed_candles() AS []::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE VIEW candles AS
FROM recorder_candles(
    recorder_days_listed('candles', recorder_packed_candles(), 0, 2500000), 0, 2500000,
    recorder_listed('candles', recorder_held_candles(), 0, recorder_old_before() - 1),
    list_concat(recorder_listed('candles', recorder_held_candles(), recorder_old_before(), 2500000),
                recorder_looked_for('candles', '*', 0, 2500000)),
    recorder_begin_stamp(0), '9');

-- The venue's beats, one a second and connection.
CREATE OR REPLACE MACRO recorder_columns_heartbeats() AS MAP {'recv_time': {name: 'recv_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'product_id': {name: 'product_id', type: 'VARCHAR', default_value: NULL}, 'heartbeat_counter': {name: 'heartbeat_counter', type: 'BIGINT', default_value: NULL}, 'last_trade_id': {name: 'last_trade_id', type: 'BIGINT', default_value: NULL}, 'exchange_time': {name: 'exchange_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'sequence': {name: 'sequence', type: 'BIGINT', default_value: NULL}, 'ingest_seq': {name: 'ingest_seq', type: 'BIGINT', default_value: NULL}, 'connection_id': {name: 'connection_id', type: 'VARCHAR', default_value: NULL}, 'recv_ns': {name: 'recv_ns', type: 'BIGINT', default_value: NULL}, 'exchange_ns': {name: 'exchange_ns', type: 'BIGINT', default_value: NULL}};
-- The sealed rows stand alone: within a WITH, count(*) would read every column.
CREATE OR REPLACE MACRO recorder_heartbeats(_days, _first, _last, _old, _new, _begin, _end) AS TABLE
SELECT recv_time, product_id, heartbeat_counter, last_trade_id, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _old), schema = recorder_columns_heartbeats())
UNION ALL
SELECT recv_time, product_id, heartbeat_counter, last_trade_id, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, recorder_packed_date(filename) AS date,
       (recorder_hour_of(ingest_seq) % 24)::INTEGER AS hour
FROM read_parquet(list_prepend(recorder_empty(), _days), schema = recorder_columns_heartbeats())
WHERE ingest_seq >= recorder_seq(recorder_that_can_be(_first))
  AND ingest_seq < recorder_seq(recorder_that_can_be(_last) + 1)
UNION ALL
FROM (
WITH switch_in_force AS MATERIALIZED (SELECT recorder_switch() AS seq)
SELECT recv_time, product_id, heartbeat_counter, last_trade_id, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _new), schema = recorder_columns_heartbeats(),
                  allow_empty = true)
WHERE ingest_seq < (SELECT seq FROM switch_in_force)
UNION ALL
SELECT recv_time, product_id, heartbeat_counter, last_trade_id, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, recorder_live_date(filename) AS date, recorder_live_hour(filename) AS hour
FROM read_parquet([recorder_empty(), recorder_parts('heartbeats')],
                  schema = recorder_columns_heartbeats(), allow_empty = true)
WHERE recorder_live_stamp(filename) >= _begin AND recorder_live_stamp(filename) < _end
  AND recorder_live_begin(filename) < recorder_until()
  AND ingest_seq >= (SELECT seq FROM switch_in_force)
);

CREATE OR REPLACE MACRO recorder_held_heartbeats() AS [
    {products: [''], hours: [[498690, 498692]]::BIGINT[][]}
]::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE MACRO recorder_packed_heartbeats() AS []::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE VIEW heartbeats AS
FROM recorder_heartbeats(
    recorder_days_listed('heartbeats', recorder_packed_heartbeats(), 0, 2500000), 0, 2500000,
    recorder_listed('heartbeats', recorder_held_heartbeats(), 0, recorder_old_before() - 1),
    list_concat(recorder_listed('heartbeats', recorder_held_heartbeats(), recorder_old_before(), 2500000),
                recorder_looked_for('heartbeats', '', 0, 2500000)),
    recorder_begin_stamp(0), '9');

-- The rules of products as sent; increments stay text.
CREATE OR REPLACE MACRO recorder_columns_status() AS MAP {'recv_time': {name: 'recv_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'product_id': {name: 'product_id', type: 'VARCHAR', default_value: NULL}, 'kind': {name: 'kind', type: 'VARCHAR', default_value: NULL}, 'product_type': {name: 'product_type', type: 'VARCHAR', default_value: NULL}, 'base_currency': {name: 'base_currency', type: 'VARCHAR', default_value: NULL}, 'quote_currency': {name: 'quote_currency', type: 'VARCHAR', default_value: NULL}, 'base_increment': {name: 'base_increment', type: 'VARCHAR', default_value: NULL}, 'quote_increment': {name: 'quote_increment', type: 'VARCHAR', default_value: NULL}, 'price_increment': {name: 'price_increment', type: 'VARCHAR', default_value: NULL}, 'display_name': {name: 'display_name', type: 'VARCHAR', default_value: NULL}, 'status': {name: 'status', type: 'VARCHAR', default_value: NULL}, 'status_message': {name: 'status_message', type: 'VARCHAR', default_value: NULL}, 'min_market_funds': {name: 'min_market_funds', type: 'VARCHAR', default_value: NULL}, 'post_only': {name: 'post_only', type: 'VARCHAR', default_value: NULL}, 'limit_only': {name: 'limit_only', type: 'VARCHAR', default_value: NULL}, 'cancel_only': {name: 'cancel_only', type: 'VARCHAR', default_value: NULL}, 'auction_mode': {name: 'auction_mode', type: 'VARCHAR', default_value: NULL}, 'trading_disabled': {name: 'trading_disabled', type: 'VARCHAR', default_value: NULL}, 'view_only': {name: 'view_only', type: 'VARCHAR', default_value: NULL}, 'fx_stablecoin': {name: 'fx_stablecoin', type: 'VARCHAR', default_value: NULL}, 'alias': {name: 'alias', type: 'VARCHAR', default_value: NULL}, 'aliases': {name: 'aliases', type: 'VARCHAR', default_value: NULL}, 'exchange_time': {name: 'exchange_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'sequence': {name: 'sequence', type: 'BIGINT', default_value: NULL}, 'ingest_seq': {name: 'ingest_seq', type: 'BIGINT', default_value: NULL}, 'connection_id': {name: 'connection_id', type: 'VARCHAR', default_value: NULL}, 'recv_ns': {name: 'recv_ns', type: 'BIGINT', default_value: NULL}, 'exchange_ns': {name: 'exchange_ns', type: 'BIGINT', default_value: NULL}};
-- The sealed rows stand alone: within a WITH, count(*) would read every column.
CREATE OR REPLACE MACRO recorder_status(_days, _first, _last, _old, _new, _begin, _end) AS TABLE
SELECT recv_time, product_id, kind, product_type, base_currency, quote_currency, base_increment, quote_increment, price_increment, display_name, status, status_message, min_market_funds, post_only, limit_only, cancel_only, auction_mode, trading_disabled, view_only, fx_stablecoin, alias, aliases, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _old), schema = recorder_columns_status())
UNION ALL
SELECT recv_time, product_id, kind, product_type, base_currency, quote_currency, base_increment, quote_increment, price_increment, display_name, status, status_message, min_market_funds, post_only, limit_only, cancel_only, auction_mode, trading_disabled, view_only, fx_stablecoin, alias, aliases, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, recorder_packed_date(filename) AS date,
       (recorder_hour_of(ingest_seq) % 24)::INTEGER AS hour
FROM read_parquet(list_prepend(recorder_empty(), _days), schema = recorder_columns_status())
WHERE ingest_seq >= recorder_seq(recorder_that_can_be(_first))
  AND ingest_seq < recorder_seq(recorder_that_can_be(_last) + 1)
UNION ALL
FROM (
WITH switch_in_force AS MATERIALIZED (SELECT recorder_switch() AS seq)
SELECT recv_time, product_id, kind, product_type, base_currency, quote_currency, base_increment, quote_increment, price_increment, display_name, status, status_message, min_market_funds, post_only, limit_only, cancel_only, auction_mode, trading_disabled, view_only, fx_stablecoin, alias, aliases, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _new), schema = recorder_columns_status(),
                  allow_empty = true)
WHERE ingest_seq < (SELECT seq FROM switch_in_force)
UNION ALL
SELECT recv_time, product_id, kind, product_type, base_currency, quote_currency, base_increment, quote_increment, price_increment, display_name, status, status_message, min_market_funds, post_only, limit_only, cancel_only, auction_mode, trading_disabled, view_only, fx_stablecoin, alias, aliases, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, recorder_live_date(filename) AS date, recorder_live_hour(filename) AS hour
FROM read_parquet([recorder_empty(), recorder_parts('status')],
                  schema = recorder_columns_status(), allow_empty = true)
WHERE recorder_live_stamp(filename) >= _begin AND recorder_live_stamp(filename) < _end
  AND recorder_live_begin(filename) < recorder_until()
  AND ingest_seq >= (SELECT seq FROM switch_in_force)
);

CREATE OR REPLACE MACRO recorder_held_status() AS [
    {products: [''], hours: [[498690, 498691]]::BIGINT[][]}
]::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE MACRO recorder_packed_status() AS []::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE VIEW status AS
FROM recorder_status(
    recorder_days_listed('status', recorder_packed_status(), 0, 2500000), 0, 2500000,
    recorder_listed('status', recorder_held_status(), 0, recorder_old_before() - 1),
    list_concat(recorder_listed('status', recorder_held_status(), recorder_old_before(), 2500000),
                recorder_looked_for('status', '', 0, 2500000)),
    recorder_begin_stamp(0), '9');

-- What was recorded and what was not, as intervals that do not overlap.
CREATE OR REPLACE MACRO recorder_columns_coverage() AS MAP {'channel': {name: 'channel', type: 'VARCHAR', default_value: NULL}, 'product_id': {name: 'product_id', type: 'VARCHAR', default_value: NULL}, 'start_time': {name: 'start_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'end_time': {name: 'end_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'state': {name: 'state', type: 'VARCHAR', default_value: NULL}, 'reason': {name: 'reason', type: 'VARCHAR', default_value: NULL}, 'sequence_before': {name: 'sequence_before', type: 'BIGINT', default_value: NULL}, 'sequence_after': {name: 'sequence_after', type: 'BIGINT', default_value: NULL}, 'messages_missing': {name: 'messages_missing', type: 'BIGINT', default_value: NULL}, 'ingest_seq_first': {name: 'ingest_seq_first', type: 'BIGINT', default_value: NULL}, 'ingest_seq_last': {name: 'ingest_seq_last', type: 'BIGINT', default_value: NULL}, 'connection_id': {name: 'connection_id', type: 'VARCHAR', default_value: NULL}, 'detail': {name: 'detail', type: 'VARCHAR', default_value: NULL}, 'noted_seq': {name: 'noted_seq', type: 'BIGINT', default_value: NULL}};
-- The sealed rows stand alone: within a WITH, count(*) would read every column.
CREATE OR REPLACE MACRO recorder_coverage(_days, _first, _last, _old, _new, _begin, _end) AS TABLE
SELECT channel, product_id, start_time, end_time, state, reason, sequence_before, sequence_after, messages_missing, ingest_seq_first, ingest_seq_last, connection_id, detail, noted_seq, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _old), schema = recorder_columns_coverage())
UNION ALL
SELECT channel, product_id, start_time, end_time, state, reason, sequence_before, sequence_after, messages_missing, ingest_seq_first, ingest_seq_last, connection_id, detail, noted_seq, recorder_packed_date(filename) AS date,
       (recorder_hour_of(noted_seq) % 24)::INTEGER AS hour
FROM read_parquet(list_prepend(recorder_empty(), _days), schema = recorder_columns_coverage())
WHERE noted_seq >= recorder_seq(recorder_that_can_be(_first))
  AND noted_seq < recorder_seq(recorder_that_can_be(_last) + 1)
UNION ALL
FROM (
WITH switch_in_force AS MATERIALIZED (SELECT recorder_switch() AS seq)
SELECT channel, product_id, start_time, end_time, state, reason, sequence_before, sequence_after, messages_missing, ingest_seq_first, ingest_seq_last, connection_id, detail, noted_seq, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _new), schema = recorder_columns_coverage(),
                  allow_empty = true)
WHERE noted_seq < (SELECT seq FROM switch_in_force)
UNION ALL
SELECT channel, product_id, start_time, end_time, state, reason, sequence_before, sequence_after, messages_missing, ingest_seq_first, ingest_seq_last, connection_id, detail, noted_seq, recorder_live_date(filename) AS date, recorder_live_hour(filename) AS hour
FROM read_parquet([recorder_empty(), recorder_parts('coverage')],
                  schema = recorder_columns_coverage(), allow_empty = true)
WHERE recorder_live_stamp(filename) >= _begin AND recorder_live_stamp(filename) < _end
  AND recorder_live_begin(filename) < recorder_until()
  AND noted_seq >= (SELECT seq FROM switch_in_force)
);

CREATE OR REPLACE MACRO recorder_held_coverage() AS [
    {products: [''], hours: [[498690, 498692]]::BIGINT[][]}
]::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE MACRO recorder_packed_coverage() AS []::STRUCT(products VARCHAR[], hours BIGINT[][])[];


-- Every doubt about the data: what, when, where the raw bytes are.
CREATE OR REPLACE MACRO recorder_columns_faults() AS MAP {'recv_time': {name: 'recv_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'kind': {name: 'kind', type: 'VARCHAR', default_value: NULL}, 'product_id': {name: 'product_id', type: 'VARCHAR', default_value: NULL}, 'connection_id': {name: 'connection_id', type: 'VARCHAR', default_value: NULL}, 'ingest_seq': {name: 'ingest_seq', type: 'BIGINT', default_value: NULL}, 'detail': {name: 'detail', type: 'VARCHAR', default_value: NULL}, 'recv_ns': {name: 'recv_ns', type: 'BIGINT', default_value: NULL}, 'channel': {name: 'channel', type: 'VARCHAR', default_value: NULL}, 'raw': {name: 'raw', type: 'VARCHAR', default_value: NULL}};
-- The sealed rows stand alone: within a WITH, count(*) would read every column.
CREATE OR REPLACE MACRO recorder_faults(_days, _first, _last, _old, _new, _begin, _end) AS TABLE
SELECT recv_time, kind, product_id, connection_id, ingest_seq, detail, recv_ns, channel, raw, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _old), schema = recorder_columns_faults())
UNION ALL
SELECT recv_time, kind, product_id, connection_id, ingest_seq, detail, recv_ns, channel, raw, recorder_packed_date(filename) AS date,
       (recorder_hour_of(ingest_seq) % 24)::INTEGER AS hour
FROM read_parquet(list_prepend(recorder_empty(), _days), schema = recorder_columns_faults())
WHERE ingest_seq >= recorder_seq(recorder_that_can_be(_first))
  AND ingest_seq < recorder_seq(recorder_that_can_be(_last) + 1)
UNION ALL
FROM (
WITH switch_in_force AS MATERIALIZED (SELECT recorder_switch() AS seq)
SELECT recv_time, kind, product_id, connection_id, ingest_seq, detail, recv_ns, channel, raw, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _new), schema = recorder_columns_faults(),
                  allow_empty = true)
WHERE ingest_seq < (SELECT seq FROM switch_in_force)
UNION ALL
SELECT recv_time, kind, product_id, connection_id, ingest_seq, detail, recv_ns, channel, raw, recorder_live_date(filename) AS date, recorder_live_hour(filename) AS hour
FROM read_parquet([recorder_empty(), recorder_parts('faults')],
                  schema = recorder_columns_faults(), allow_empty = true)
WHERE recorder_live_stamp(filename) >= _begin AND recorder_live_stamp(filename) < _end
  AND recorder_live_begin(filename) < recorder_until()
  AND ingest_seq >= (SELECT seq FROM switch_in_force)
);

CREATE OR REPLACE MACRO recorder_held_faults() AS []::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE MACRO recorder_packed_faults() AS []::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE VIEW faults AS
FROM recorder_faults(
    recorder_days_listed('faults', recorder_packed_faults(), 0, 2500000), 0, 2500000,
    recorder_listed('faults', recorder_held_faults(), 0, recorder_old_before() - 1),
    list_concat(recorder_listed('faults', recorder_held_faults(), recorder_old_before(), 2500000),
                recorder_looked_for('faults', '', 0, 2500000)),
    recorder_begin_stamp(0), '9');

-- How often tickers fitted the book of their connection, an hour or a session a row.
CREATE OR REPLACE MACRO recorder_columns_audits() AS MAP {'product_id': {name: 'product_id', type: 'VARCHAR', default_value: NULL}, 'connection_id': {name: 'connection_id', type: 'VARCHAR', default_value: NULL}, 'start_time': {name: 'start_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'end_time': {name: 'end_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'agree': {name: 'agree', type: 'BIGINT', default_value: NULL}, 'lagging': {name: 'lagging', type: 'BIGINT', default_value: NULL}, 'disagree': {name: 'disagree', type: 'BIGINT', default_value: NULL}, 'noted_seq': {name: 'noted_seq', type: 'BIGINT', default_value: NULL}};
-- The sealed rows stand alone: within a WITH, count(*) would read every column.
CREATE OR REPLACE MACRO recorder_audits(_days, _first, _last, _old, _new, _begin, _end) AS TABLE
SELECT product_id, connection_id, start_time, end_time, agree, lagging, disagree, noted_seq, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _old), schema = recorder_columns_audits())
UNION ALL
SELECT product_id, connection_id, start_time, end_time, agree, lagging, disagree, noted_seq, recorder_packed_date(filename) AS date,
       (recorder_hour_of(noted_seq) % 24)::INTEGER AS hour
FROM read_parquet(list_prepend(recorder_empty(), _days), schema = recorder_columns_audits())
WHERE noted_seq >= recorder_seq(recorder_that_can_be(_first))
  AND noted_seq < recorder_seq(recorder_that_can_be(_last) + 1)
UNION ALL
FROM (
WITH switch_in_force AS MATERIALIZED (SELECT recorder_switch() AS seq)
SELECT product_id, connection_id, start_time, end_time, agree, lagging, disagree, noted_seq, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _new), schema = recorder_columns_audits(),
                  allow_empty = true)
WHERE noted_seq < (SELECT seq FROM switch_in_force)
UNION ALL
SELECT product_id, connection_id, start_time, end_time, agree, lagging, disagree, noted_seq, recorder_live_date(filename) AS date, recorder_live_hour(filename) AS hour
FROM read_parquet([recorder_empty(), recorder_parts('audits')],
                  schema = recorder_columns_audits(), allow_empty = true)
WHERE recorder_live_stamp(filename) >= _begin AND recorder_live_stamp(filename) < _end
  AND recorder_live_begin(filename) < recorder_until()
  AND noted_seq >= (SELECT seq FROM switch_in_force)
);

CREATE OR REPLACE MACRO recorder_held_audits() AS [
    {products: [''], hours: [[498690, 498692]]::BIGINT[][]}
]::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE MACRO recorder_packed_audits() AS []::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE VIEW audits AS
FROM recorder_audits(
    recorder_days_listed('audits', recorder_packed_audits(), 0, 2500000), 0, 2500000,
    recorder_listed('audits', recorder_held_audits(), 0, recorder_old_before() - 1),
    list_concat(recorder_listed('audits', recorder_held_audits(), recorder_old_before(), 2500000),
                recorder_looked_for('audits', '', 0, 2500000)),
    recorder_begin_stamp(0), '9');

-- The account's own orders, whole, at every change; recorded with a key and `feed.user` only.
CREATE OR REPLACE MACRO recorder_columns_user_orders() AS MAP {'recv_time': {name: 'recv_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'product_id': {name: 'product_id', type: 'VARCHAR', default_value: NULL}, 'kind': {name: 'kind', type: 'VARCHAR', default_value: NULL}, 'order_id': {name: 'order_id', type: 'VARCHAR', default_value: NULL}, 'client_order_id': {name: 'client_order_id', type: 'VARCHAR', default_value: NULL}, 'status': {name: 'status', type: 'VARCHAR', default_value: NULL}, 'order_side': {name: 'order_side', type: 'VARCHAR', default_value: NULL}, 'order_type': {name: 'order_type', type: 'VARCHAR', default_value: NULL}, 'time_in_force': {name: 'time_in_force', type: 'VARCHAR', default_value: NULL}, 'limit_price': {name: 'limit_price', type: 'DOUBLE', default_value: NULL}, 'stop_price': {name: 'stop_price', type: 'DOUBLE', default_value: NULL}, 'avg_price': {name: 'avg_price', type: 'DOUBLE', default_value: NULL}, 'cumulative_quantity': {name: 'cumulative_quantity', type: 'DOUBLE', default_value: NULL}, 'leaves_quantity': {name: 'leaves_quantity', type: 'DOUBLE', default_value: NULL}, 'number_of_fills': {name: 'number_of_fills', type: 'BIGINT', default_value: NULL}, 'filled_value': {name: 'filled_value', type: 'VARCHAR', default_value: NULL}, 'total_fees': {name: 'total_fees', type: 'VARCHAR', default_value: NULL}, 'total_value_after_fees': {name: 'total_value_after_fees', type: 'VARCHAR', default_value: NULL}, 'outstanding_hold_amount': {name: 'outstanding_hold_amount', type: 'VARCHAR', default_value: NULL}, 'completion_percentage': {name: 'completion_percentage', type: 'VARCHAR', default_value: NULL}, 'post_only': {name: 'post_only', type: 'VARCHAR', default_value: NULL}, 'trigger_status': {name: 'trigger_status', type: 'VARCHAR', default_value: NULL}, 'cancel_reason': {name: 'cancel_reason', type: 'VARCHAR', default_value: NULL}, 'reject_reason': {name: 'reject_reason', type: 'VARCHAR', default_value: NULL}, 'product_type': {name: 'product_type', type: 'VARCHAR', default_value: NULL}, 'contract_expiry_type': {name: 'contract_expiry_type', type: 'VARCHAR', default_value: NULL}, 'risk_managed_by': {name: 'risk_managed_by', type: 'VARCHAR', default_value: NULL}, 'retail_portfolio_id': {name: 'retail_portfolio_id', type: 'VARCHAR', default_value: NULL}, 'creation_time': {name: 'creation_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'start_time': {name: 'start_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'end_time': {name: 'end_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'exchange_time': {name: 'exchange_time', type: 'TIMESTAMP WITH TIME ZONE', default_value: NULL}, 'sequence': {name: 'sequence', type: 'BIGINT', default_value: NULL}, 'ingest_seq': {name: 'ingest_seq', type: 'BIGINT', default_value: NULL}, 'connection_id': {name: 'connection_id', type: 'VARCHAR', default_value: NULL}, 'recv_ns': {name: 'recv_ns', type: 'BIGINT', default_value: NULL}, 'exchange_ns': {name: 'exchange_ns', type: 'BIGINT', default_value: NULL}, 'inexact_text': {name: 'inexact_text', type: 'VARCHAR', default_value: NULL}};
-- The sealed rows stand alone: within a WITH, count(*) would read every column.
CREATE OR REPLACE MACRO recorder_user_orders(_days, _first, _last, _old, _new, _begin, _end) AS TABLE
SELECT recv_time, product_id, kind, order_id, client_order_id, status, order_side, order_type, time_in_force, limit_price, stop_price, avg_price, cumulative_quantity, leaves_quantity, number_of_fills, filled_value, total_fees, total_value_after_fees, outstanding_hold_amount, completion_percentage, post_only, trigger_status, cancel_reason, reject_reason, product_type, contract_expiry_type, risk_managed_by, retail_portfolio_id, creation_time, start_time, end_time, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, inexact_text, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _old), schema = recorder_columns_user_orders())
UNION ALL
SELECT recv_time, product_id, kind, order_id, client_order_id, status, order_side, order_type, time_in_force, limit_price, stop_price, avg_price, cumulative_quantity, leaves_quantity, number_of_fills, filled_value, total_fees, total_value_after_fees, outstanding_hold_amount, completion_percentage, post_only, trigger_status, cancel_reason, reject_reason, product_type, contract_expiry_type, risk_managed_by, retail_portfolio_id, creation_time, start_time, end_time, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, inexact_text, recorder_packed_date(filename) AS date,
       (recorder_hour_of(ingest_seq) % 24)::INTEGER AS hour
FROM read_parquet(list_prepend(recorder_empty(), _days), schema = recorder_columns_user_orders())
WHERE ingest_seq >= recorder_seq(recorder_that_can_be(_first))
  AND ingest_seq < recorder_seq(recorder_that_can_be(_last) + 1)
UNION ALL
FROM (
WITH switch_in_force AS MATERIALIZED (SELECT recorder_switch() AS seq)
SELECT recv_time, product_id, kind, order_id, client_order_id, status, order_side, order_type, time_in_force, limit_price, stop_price, avg_price, cumulative_quantity, leaves_quantity, number_of_fills, filled_value, total_fees, total_value_after_fees, outstanding_hold_amount, completion_percentage, post_only, trigger_status, cancel_reason, reject_reason, product_type, contract_expiry_type, risk_managed_by, retail_portfolio_id, creation_time, start_time, end_time, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, inexact_text, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _new), schema = recorder_columns_user_orders(),
                  allow_empty = true)
WHERE ingest_seq < (SELECT seq FROM switch_in_force)
UNION ALL
SELECT recv_time, product_id, kind, order_id, client_order_id, status, order_side, order_type, time_in_force, limit_price, stop_price, avg_price, cumulative_quantity, leaves_quantity, number_of_fills, filled_value, total_fees, total_value_after_fees, outstanding_hold_amount, completion_percentage, post_only, trigger_status, cancel_reason, reject_reason, product_type, contract_expiry_type, risk_managed_by, retail_portfolio_id, creation_time, start_time, end_time, exchange_time, sequence, ingest_seq, connection_id, recv_ns, exchange_ns, inexact_text, recorder_live_date(filename) AS date, recorder_live_hour(filename) AS hour
FROM read_parquet([recorder_empty(), recorder_parts('user_orders')],
                  schema = recorder_columns_user_orders(), allow_empty = true)
WHERE recorder_live_stamp(filename) >= _begin AND recorder_live_stamp(filename) < _end
  AND recorder_live_begin(filename) < recorder_until()
  AND ingest_seq >= (SELECT seq FROM switch_in_force)
);

CREATE OR REPLACE MACRO recorder_held_user_orders() AS []::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE MACRO recorder_packed_user_orders() AS []::STRUCT(products VARCHAR[], hours BIGINT[][])[];
CREATE OR REPLACE VIEW user_orders AS
FROM recorder_user_orders(
    recorder_days_listed('user_orders', recorder_packed_user_orders(), 0, 2500000), 0, 2500000,
    recorder_listed('user_orders', recorder_held_user_orders(), 0, recorder_old_before() - 1),
    list_concat(recorder_listed('user_orders', recorder_held_user_orders(), recorder_old_before(), 2500000),
                recorder_looked_for('user_orders', '', 0, 2500000)),
    recorder_begin_stamp(0), '9');

-- Changes of the order book, absolute sizes; size 0 removes the level.
-- Of one product, received in [from, to).
CREATE OR REPLACE MACRO level2_of(product, "from", "to") AS TABLE
SELECT * EXCLUDE (date, hour)
FROM recorder_level2(
    recorder_days('level2', recorder_packed_level2(), product,
                  recorder_hour("from"), recorder_last_hour("to")),
    recorder_hour("from"), recorder_last_hour("to"),
    recorder_old('level2', recorder_held_level2(), product,
                 recorder_hour("from"), recorder_last_hour("to")),
    recorder_new('level2', product, recorder_hour("from"), recorder_last_hour("to")),
    recorder_begin_stamp(recorder_hour("from")), recorder_stamp(recorder_last_hour("to") + 1))
WHERE product_id = product AND recv_ns >= recorder_ns("from") AND recv_ns < recorder_ns("to");

-- Trades, oldest first, each trade_id of a product once.
-- Of one product, received in [from, to).
CREATE OR REPLACE MACRO trades_of(product, "from", "to") AS TABLE
SELECT * EXCLUDE (date, hour)
FROM recorder_trades(
    recorder_days('trades', recorder_packed_trades(), product,
                  recorder_hour("from"), recorder_last_hour("to")),
    recorder_hour("from"), recorder_last_hour("to"),
    recorder_old('trades', recorder_held_trades(), product,
                 recorder_hour("from"), recorder_last_hour("to")),
    recorder_new('trades', product, recorder_hour("from"), recorder_last_hour("to")),
    recorder_begin_stamp(recorder_hour("from")), recorder_stamp(recorder_last_hour("to") + 1))
WHERE product_id = product AND recv_ns >= recorder_ns("from") AND recv_ns < recorder_ns("to");

-- Tickers, of the channels ticker and ticker_batch.
-- Of one product, received in [from, to).
CREATE OR REPLACE MACRO ticker_of(product, "from", "to") AS TABLE
SELECT * EXCLUDE (date, hour)
FROM recorder_ticker(
    recorder_days('ticker', recorder_packed_ticker(), product,
                  recorder_hour("from"), recorder_last_hour("to")),
    recorder_hour("from"), recorder_last_hour("to"),
    recorder_old('ticker', recorder_held_ticker(), product,
                 recorder_hour("from"), recorder_last_hour("to")),
    recorder_new('ticker', product, recorder_hour("from"), recorder_last_hour("to")),
    recorder_begin_stamp(recorder_hour("from")), recorder_stamp(recorder_last_hour("to") + 1))
WHERE product_id = product AND recv_ns >= recorder_ns("from") AND recv_ns < recorder_ns("to");

-- Five-minute candles as sent; the forming one comes again and again.
-- Of one product, received in [from, to).
CREATE OR REPLACE MACRO candles_of(product, "from", "to") AS TABLE
SELECT * EXCLUDE (date, hour)
FROM recorder_candles(
    recorder_days('candles', recorder_packed_candles(), product,
                  recorder_hour("from"), recorder_last_hour("to")),
    recorder_hour("from"), recorder_last_hour("to"),
    recorder_old('candles', recorder_held_candles(), product,
                 recorder_hour("from"), recorder_last_hour("to")),
    recorder_new('candles', product, recorder_hour("from"), recorder_last_hour("to")),
    recorder_begin_stamp(recorder_hour("from")), recorder_stamp(recorder_last_hour("to") + 1))
WHERE product_id = product AND recv_ns >= recorder_ns("from") AND recv_ns < recorder_ns("to");

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
FROM recorder_meant(
    recorder_days_listed('coverage', recorder_packed_coverage(), 0, 2500000), 0, 2500000,
    recorder_listed('coverage', recorder_held_coverage(), 0, recorder_old_before() - 1),
    list_concat(recorder_listed('coverage', recorder_held_coverage(), recorder_old_before(), 2500000),
                recorder_looked_for('coverage', '', 0, 2500000)),
    recorder_begin_stamp(0), '9');

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
    WHEN _channel IN ('level2', 'trades', 'market_trades', 'ticker', 'ticker_batch', 'candles', 'heartbeats', 'status', 'user', 'user_orders') THEN true
    WHEN _channel IS NULL THEN false
    ELSE error('in_gap(): ''' || _channel || ''' is no channel. The channels are level2, trades, market_trades, ticker, ticker_batch, candles, heartbeats, status, user, user_orders.')::BOOLEAN
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
recorder_missing_of(
    recorder_days_listed('coverage', recorder_packed_coverage(), 0, 2500000), 0, 2500000,
    recorder_listed('coverage', recorder_held_coverage(), 0, recorder_old_before() - 1),
    list_concat(recorder_listed('coverage', recorder_held_coverage(), recorder_old_before(), 2500000),
                recorder_looked_for('coverage', '', 0, 2500000)),
    recorder_begin_stamp(0), '9');
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
