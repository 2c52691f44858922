-- Weekly user conversion for Snowflake (not run here, only parsed by the tests of user-conversion).
-- Definition any-load-next-week: any load in the calendar week directly after the registration week.
-- Weeks from Monday to Sunday in Europe/Berlin. Timestamps without a zone are UTC.
-- Weeks that begin on 2024-12-30 or later. Earlier loads are not read.
-- Earlier registrations are, as the first one counts, unless each day has a table.
WITH registered_events AS (
  SELECT
    CAST(e."USER_ID" AS VARCHAR) AS user_id,
    TO_TIMESTAMP_NTZ(DATE_PART(EPOCH_MICROSECOND, COALESCE(e."TIMESTAMP", e."ORIGINAL_TIMESTAMP")), 6) AS happened_at,
    CAST(CONVERT_TIMEZONE('UTC', 'Europe/Berlin', TO_TIMESTAMP_NTZ(DATE_PART(EPOCH_MICROSECOND, COALESCE(e."TIMESTAMP", e."ORIGINAL_TIMESTAMP")), 6)) AS DATE) AS local_day,
    CAST(e."PLAN" AS VARCHAR) AS segment
  FROM "SIGNED_UP" AS e
  WHERE CAST(e."USER_ID" AS VARCHAR) NOT IN ('', 'null', 'NULL', 'None', 'undefined', 'nan', '\\N', '00000000-0000-0000-0000-000000000000')
),

app_loaded_events AS (
  SELECT
    CAST(e."USER_ID" AS VARCHAR) AS user_id,
    TO_TIMESTAMP_NTZ(DATE_PART(EPOCH_MICROSECOND, COALESCE(e."TIMESTAMP", e."ORIGINAL_TIMESTAMP")), 6) AS happened_at,
    CAST(CONVERT_TIMEZONE('UTC', 'Europe/Berlin', TO_TIMESTAMP_NTZ(DATE_PART(EPOCH_MICROSECOND, COALESCE(e."TIMESTAMP", e."ORIGINAL_TIMESTAMP")), 6)) AS DATE) AS local_day
  FROM "APPLICATION_OPENED" AS e
  WHERE CAST(e."USER_ID" AS VARCHAR) NOT IN ('', 'null', 'NULL', 'None', 'undefined', 'nan', '\\N', '00000000-0000-0000-0000-000000000000')
    AND COALESCE(e."TIMESTAMP", e."ORIGINAL_TIMESTAMP") >= TIMESTAMP '2024-12-28 00:00:00'
),

-- One row per registered user: the earliest registration, and the Monday of its week.
registrations AS (
  SELECT
    user_id,
    MIN(happened_at) AS registered_at,
    DATEADD(DAY, 1 - DAYOFWEEKISO(MIN(local_day)), MIN(local_day)) AS week_start
  FROM registered_events
  WHERE local_day BETWEEN DATE '1970-01-01' AND DATEADD(DAY, 1, CAST(CONVERT_TIMEZONE('UTC', 'Europe/Berlin', SYSDATE()) AS DATE))
  GROUP BY user_id
),

-- One row per registered user: the segment of that registration.
segments AS (
  SELECT
    registrations.user_id AS user_id,
    MIN(registered_events.segment) AS segment
  FROM registrations
  INNER JOIN registered_events
    ON registered_events.user_id = registrations.user_id
    AND registered_events.happened_at = registrations.registered_at
  GROUP BY registrations.user_id
),

-- One row per converted user.
converted_users AS (
  SELECT DISTINCT registrations.user_id AS user_id
  FROM registrations
  INNER JOIN app_loaded_events ON app_loaded_events.user_id = registrations.user_id
  WHERE DATEADD(DAY, 1 - DAYOFWEEKISO(app_loaded_events.local_day), app_loaded_events.local_day) = DATEADD(DAY, 7, registrations.week_start)
),

-- One row per registration week and segment.
weeks AS (
  SELECT
    registrations.week_start AS week_start,
    segments.segment AS segment,
    COUNT(*) AS total_registered,
    COUNT(converted_users.user_id) AS total_converted
  FROM registrations
  INNER JOIN segments ON segments.user_id = registrations.user_id
  LEFT JOIN converted_users ON converted_users.user_id = registrations.user_id
  GROUP BY registrations.week_start, segments.segment
),

days AS (
  SELECT local_day FROM registered_events
  UNION ALL
  SELECT local_day FROM app_loaded_events
),

-- One row: the day of the latest event, which may not be over. If that is in the future, today.
latest AS (
  SELECT LEAST(MAX(days.local_day), CAST(CONVERT_TIMEZONE('UTC', 'Europe/Berlin', SYSDATE()) AS DATE)) AS local_day
  FROM days
  WHERE days.local_day BETWEEN DATE '1970-01-01' AND DATEADD(DAY, 1, CAST(CONVERT_TIMEZONE('UTC', 'Europe/Berlin', SYSDATE()) AS DATE))
)

SELECT
  YEAROFWEEKISO(weeks.week_start) || '-' || LPAD(CAST(WEEKISO(weeks.week_start) AS VARCHAR), 2, '0') AS registration_week,
  weeks.segment AS segment,
  weeks.total_registered AS total_registered,
  weeks.total_converted AS total_converted,
  -- Whole percent, rounded half up.
  CAST((200 * weeks.total_converted + weeks.total_registered - MOD(200 * weeks.total_converted + weeks.total_registered, 2 * weeks.total_registered)) / (2 * weeks.total_registered) AS INTEGER) AS conversion_rate,
  -- 1 if the last day on which a user can convert is over. Missing days in the log are not noticed.
  CASE WHEN DATEADD(DAY, 13, weeks.week_start) < latest.local_day THEN 1 ELSE 0 END AS is_complete
FROM weeks
CROSS JOIN latest
WHERE weeks.week_start >= DATE '2024-12-30'
ORDER BY weeks.week_start, weeks.segment
