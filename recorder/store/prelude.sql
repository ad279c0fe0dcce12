-- This data directory for DuckDB 2.0 and newer: views of everything, and macros that open only the
-- files they need. The recorder writes it, and replaces it: do not edit.
--
--     duckdb -init data/recorder.sql
--
--     FROM trades LIMIT 5;
--     FROM book_at('BTC-USD', '2026-11-21T19:30:00') WHERE level <= 10;
--     FROM ohlcv('BTC-USD', '1m', '2026-11-21', '2026-11-22');
--
-- Views: {views}.
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

CREATE OR REPLACE MACRO recorder_root() AS coalesce(getvariable('recorder_root')::VARCHAR, {root});
-- Readers took sealed files for the hours before this one.
CREATE OR REPLACE MACRO recorder_switched() AS {switched}::BIGINT;
-- Whether they still do must be looked up from this one on: an hour that was sealed before it was
-- over is opened again where recording goes on in it.
CREATE OR REPLACE MACRO recorder_old_before() AS {old_before}::BIGINT;
CREATE OR REPLACE MACRO recorder_sealed_hours() AS {sealed_hours};
CREATE OR REPLACE MACRO recorder_packed_days() AS {packed_days};

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
CREATE OR REPLACE MACRO recorder_seq(_hour) AS _hour::BIGINT * {hour_seqs} + {hour_0};
CREATE OR REPLACE MACRO recorder_hour_of(_seq) AS (_seq - {hour_0}) // {hour_seqs};
-- Text as a pattern that finds just this text.
CREATE OR REPLACE MACRO recorder_literal(_text) AS
    regexp_replace(_text, '([*?\[])', '[\1]', 'g');
CREATE OR REPLACE MACRO recorder_path(_path) AS
    recorder_literal(rtrim(recorder_root(), '/')) || '/' || _path;
-- A file without rows, so that there always is one: columns and types are declared, not read.
CREATE OR REPLACE MACRO recorder_empty() AS {empty};
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
    coalesce(getvariable('recorder_open').hours, {open_hours}::BIGINT[]),
    range(coalesce(getvariable('recorder_open').since, {since}), recorder_hour(now()) + 2)));

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
        SELECT arg_min(coalesce(recorder_seq(recorder_from_stamp(hour)), {lowest}), until_us) AS seq
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
                    {lowest}) + (SELECT seq FROM packed)
);
