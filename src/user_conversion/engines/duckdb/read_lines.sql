-- One row per line that is not blank, in the order of the lines.
-- What begins with a dollar sign comes from the log format; see read_sql.py.
CREATE OR REPLACE TABLE $table AS
WITH records AS (
    -- A line that DuckDB cannot parse is a row of NULLs, which has no kind below.
    SELECT $records, $local_time AS "local time" FROM $source
),
fields AS (
    SELECT
        $file::UINTEGER AS file,
        $event AS event,
        $time AS time,
        $id_text AS id_text,
        $device_type AS device_type,
        $attributes,
        -- A member was read, so the line is a JSON object.
        $is_object AS is_object,
        $is_registered AS is_registered,
        $is_app_loaded AS is_app_loaded,
        $is_identified AS is_identified,
        $user_id_text AS user_id_text,
        $is_excluded AS is_excluded
    FROM records
),
named AS (
    SELECT
        *,
        $initiator_id AS initiator_id,
        $user_id AS user_id,
        time BETWEEN '1970-01-01' AND '$latest' AS is_in_range,
        CASE
            WHEN is_registered THEN $REGISTERED
            WHEN is_app_loaded THEN $APP_LOADED
            WHEN is_identified THEN $IDENTIFIED
            WHEN event != '' THEN $OTHER
            WHEN $unnamed AND is_object THEN $OTHER
        END AS named
    FROM fields
)
SELECT
    -- NULL if the fast path cannot decide; `events.read_line` then reads the line again.
    CASE
        WHEN named = $OTHER THEN $OTHER
        WHEN named IS NOT NULL AND is_excluded THEN $EXCLUDED
        WHEN is_identified THEN
            CASE
                WHEN $has_no_id OR $has_no_user_id THEN $OTHER
                WHEN is_in_range AND initiator_id IS NOT NULL AND user_id IS NOT NULL
                THEN $IDENTIFIED
            END
        WHEN is_in_range AND initiator_id IS NOT NULL THEN named
        WHEN is_in_range AND named IS NOT NULL AND $anonymous AND $has_no_id THEN $ANONYMOUS
    END::UTINYINT AS kind,
    file,
    time,
    initiator_id,
    user_id,
    CASE WHEN named = $APP_LOADED THEN device_type END AS device_type,
    $kept_attributes
FROM named
