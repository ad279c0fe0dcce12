-- {meaning}
-- Of one product, received in [from, to).
CREATE OR REPLACE MACRO {name}_of(product, "from", "to") AS TABLE
SELECT * EXCLUDE (date, hour)
FROM recorder_{name}(
    recorder_days('{name}', recorder_packed_{name}(), product,
                  recorder_hour("from"), recorder_last_hour("to")),
    recorder_hour("from"), recorder_last_hour("to"),
    recorder_old('{name}', recorder_held_{name}(), product,
                 recorder_hour("from"), recorder_last_hour("to")),
    recorder_new('{name}', product, recorder_hour("from"), recorder_last_hour("to")),
    recorder_begin_stamp(recorder_hour("from")), recorder_stamp(recorder_last_hour("to") + 1))
WHERE product_id = product AND recv_ns >= recorder_ns("from") AND recv_ns < recorder_ns("to");
