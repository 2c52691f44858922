-- Weekly user conversion for MySQL (not run here, only parsed by the tests of user-conversion).
-- Definition next-week: first load in the calendar week directly after the registration week.
-- Weeks from Monday to Sunday in Europe/Berlin. Timestamps without a zone are UTC.
-- Timestamps must be of type DATETIME, in UTC. For TIMESTAMP run SET time_zone = '+00:00' first.
-- If weeks are NULL, load the time zones into the server: mysql_tzinfo_to_sql.
WITH registered_events AS (
  SELECT
    CAST(CONVERT(JSON_VALUE(e.`payload`, '$."user"."id"') USING utf8mb4) COLLATE utf8mb4_0900_bin AS BINARY) AS user_id,
    e.`timestamp` AS happened_at,
    DATE(CONVERT_TZ(e.`timestamp`, '+00:00', 'Europe/Berlin')) AS local_day,
    CONVERT(JSON_VALUE(e.`payload`, '$."source"') USING utf8mb4) COLLATE utf8mb4_0900_bin AS segment
  FROM `events` AS e
  WHERE CAST(e.`event` AS BINARY) IN ('registered')
    AND CAST(CONVERT(JSON_VALUE(e.`payload`, '$."user"."id"') USING utf8mb4) COLLATE utf8mb4_0900_bin AS BINARY) NOT IN ('', 'null', 'NULL', 'None', 'undefined', 'nan', '\\N', '00000000-0000-0000-0000-000000000000')
),

app_loaded_events AS (
  SELECT
    CAST(CONVERT(JSON_VALUE(e.`payload`, '$."user"."id"') USING utf8mb4) COLLATE utf8mb4_0900_bin AS BINARY) AS user_id,
    e.`timestamp` AS happened_at,
    DATE(CONVERT_TZ(e.`timestamp`, '+00:00', 'Europe/Berlin')) AS local_day
  FROM `events` AS e
  WHERE CAST(e.`event` AS BINARY) IN ('app_loaded')
    AND CAST(CONVERT(JSON_VALUE(e.`payload`, '$."user"."id"') USING utf8mb4) COLLATE utf8mb4_0900_bin AS BINARY) NOT IN ('', 'null', 'NULL', 'None', 'undefined', 'nan', '\\N', '00000000-0000-0000-0000-000000000000')
),

-- One row per registered user: the earliest registration, and the Monday of its week.
registrations AS (
  SELECT
    user_id,
    MIN(happened_at) AS registered_at,
    DATE_SUB(MIN(local_day), INTERVAL WEEKDAY(MIN(local_day)) DAY) AS week_start
  FROM registered_events
  WHERE local_day BETWEEN DATE '1970-01-01' AND DATE_ADD(DATE(CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'Europe/Berlin')), INTERVAL 1 DAY)
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

-- One row per registered user who came back: the Monday of the week of the first load.
first_loads AS (
  SELECT
    registrations.user_id AS user_id,
    registrations.week_start AS week_start,
    DATE_SUB(MIN(app_loaded_events.local_day), INTERVAL WEEKDAY(MIN(app_loaded_events.local_day)) DAY) AS first_load_week_start
  FROM registrations
  INNER JOIN app_loaded_events ON app_loaded_events.user_id = registrations.user_id
  WHERE app_loaded_events.happened_at >= registrations.registered_at
    AND app_loaded_events.local_day BETWEEN DATE '1970-01-01' AND DATE_ADD(DATE(CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'Europe/Berlin')), INTERVAL 1 DAY)
  GROUP BY registrations.user_id, registrations.week_start
),

-- One row per converted user.
converted_users AS (
  SELECT user_id
  FROM first_loads
  WHERE first_load_week_start = DATE_ADD(week_start, INTERVAL 7 DAY)
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
  SELECT LEAST(MAX(days.local_day), DATE(CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'Europe/Berlin'))) AS local_day
  FROM days
  WHERE days.local_day BETWEEN DATE '1970-01-01' AND DATE_ADD(DATE(CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'Europe/Berlin')), INTERVAL 1 DAY)
)

SELECT
  DATE_FORMAT(weeks.week_start, '%x-%v') AS registration_week,
  weeks.segment AS segment,
  weeks.total_registered AS total_registered,
  weeks.total_converted AS total_converted,
  -- Whole percent, rounded half up.
  (200 * weeks.total_converted + weeks.total_registered) DIV (2 * weeks.total_registered) AS conversion_rate,
  -- 1 if the last day on which a user can convert is over. Missing days in the log are not noticed.
  CASE WHEN DATE_ADD(weeks.week_start, INTERVAL 13 DAY) < latest.local_day THEN 1 ELSE 0 END AS is_complete
FROM weeks
CROSS JOIN latest
ORDER BY weeks.week_start, weeks.segment
