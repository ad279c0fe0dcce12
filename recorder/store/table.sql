-- {meaning}
CREATE OR REPLACE MACRO recorder_columns_{name}() AS MAP {{declared}};
-- The sealed rows stand alone: within a WITH, count(*) would read every column.
CREATE OR REPLACE MACRO recorder_{name}(_days, _first, _last, _old, _new, _begin, _end) AS TABLE
SELECT {sealed}, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _old), schema = recorder_columns_{name}())
UNION ALL
SELECT {packed}, recorder_packed_date(filename) AS date,
       (recorder_hour_of({order}) % 24)::INTEGER AS hour
FROM read_parquet(list_prepend(recorder_empty(), _days), schema = recorder_columns_{name}())
WHERE {order} >= recorder_seq(recorder_that_can_be(_first))
  AND {order} < recorder_seq(recorder_that_can_be(_last) + 1)
UNION ALL
FROM (
WITH switch_in_force AS MATERIALIZED (SELECT recorder_switch() AS seq)
SELECT {sealed}, recorder_date_in(filename) AS date, recorder_hour_in(filename) AS hour
FROM read_parquet(list_prepend(recorder_empty(), _new), schema = recorder_columns_{name}(),
                  allow_empty = true)
WHERE {order} < (SELECT seq FROM switch_in_force){named}
UNION ALL
SELECT {live}, recorder_live_date(filename) AS date, recorder_live_hour(filename) AS hour
FROM read_parquet([recorder_empty(), recorder_parts('{name}')],
                  schema = recorder_columns_{name}(), allow_empty = true)
WHERE recorder_live_stamp(filename) >= _begin AND recorder_live_stamp(filename) < _end
  AND recorder_live_begin(filename) < recorder_until()
  AND {order} >= (SELECT seq FROM switch_in_force)
);
