-- Weekly user conversion for SQLite (run by the tests of user-conversion).
-- Definition next-week: first load in the calendar week directly after the registration week.
-- Weeks from Monday to Sunday in UTC. Timestamps without a zone are UTC.
-- Timestamps must be texts such as 2020-11-02T06:21:14.5Z or 2020-11-02 06:21:14.
WITH registered_events AS (
  SELECT
    CASE JSON_TYPE(e."payload", '$."user"."id"') WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(JSON_EXTRACT(e."payload", '$."user"."id"') AS TEXT) END AS user_id,
    STRFTIME('%Y-%m-%d %H:%M:%S', SUBSTR(e."timestamp", 1, 19) || LTRIM(SUBSTR(e."timestamp", 20), '.0123456789')) || '.' || SUBSTR(SUBSTR(e."timestamp", 21, MAX(0, LENGTH(SUBSTR(e."timestamp", 21)) - LENGTH(LTRIM(SUBSTR(e."timestamp", 20), '.0123456789')))) || '000000', 1, 6) AS happened_at,
    SUBSTR(STRFTIME('%Y-%m-%d %H:%M:%S', SUBSTR(e."timestamp", 1, 19) || LTRIM(SUBSTR(e."timestamp", 20), '.0123456789')) || '.' || SUBSTR(SUBSTR(e."timestamp", 21, MAX(0, LENGTH(SUBSTR(e."timestamp", 21)) - LENGTH(LTRIM(SUBSTR(e."timestamp", 20), '.0123456789')))) || '000000', 1, 6), 1, 10) AS local_day,
    CASE JSON_TYPE(e."payload", '$."source"') WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(JSON_EXTRACT(e."payload", '$."source"') AS TEXT) END AS segment
  FROM "events" AS e
  WHERE e."event" IN ('registered')
    AND CASE JSON_TYPE(e."payload", '$."user"."id"') WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(JSON_EXTRACT(e."payload", '$."user"."id"') AS TEXT) END NOT IN ('', 'null', 'NULL', 'None', 'undefined', 'nan', '\N', '00000000-0000-0000-0000-000000000000')
),

app_loaded_events AS (
  SELECT
    CASE JSON_TYPE(e."payload", '$."user"."id"') WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(JSON_EXTRACT(e."payload", '$."user"."id"') AS TEXT) END AS user_id,
    STRFTIME('%Y-%m-%d %H:%M:%S', SUBSTR(e."timestamp", 1, 19) || LTRIM(SUBSTR(e."timestamp", 20), '.0123456789')) || '.' || SUBSTR(SUBSTR(e."timestamp", 21, MAX(0, LENGTH(SUBSTR(e."timestamp", 21)) - LENGTH(LTRIM(SUBSTR(e."timestamp", 20), '.0123456789')))) || '000000', 1, 6) AS happened_at,
    SUBSTR(STRFTIME('%Y-%m-%d %H:%M:%S', SUBSTR(e."timestamp", 1, 19) || LTRIM(SUBSTR(e."timestamp", 20), '.0123456789')) || '.' || SUBSTR(SUBSTR(e."timestamp", 21, MAX(0, LENGTH(SUBSTR(e."timestamp", 21)) - LENGTH(LTRIM(SUBSTR(e."timestamp", 20), '.0123456789')))) || '000000', 1, 6), 1, 10) AS local_day
  FROM "events" AS e
  WHERE e."event" IN ('app_loaded')
    AND CASE JSON_TYPE(e."payload", '$."user"."id"') WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(JSON_EXTRACT(e."payload", '$."user"."id"') AS TEXT) END NOT IN ('', 'null', 'NULL', 'None', 'undefined', 'nan', '\N', '00000000-0000-0000-0000-000000000000')
),

-- One row per registered user: the earliest registration, and the Monday of its week.
registrations AS (
  SELECT
    user_id,
    MIN(happened_at) AS registered_at,
    DATE(MIN(local_day), 'weekday 0', '-6 days') AS week_start
  FROM registered_events
  WHERE local_day BETWEEN '1970-01-01' AND DATE(SUBSTR(CURRENT_TIMESTAMP, 1, 10), '1 days')
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
    DATE(MIN(app_loaded_events.local_day), 'weekday 0', '-6 days') AS first_load_week_start
  FROM registrations
  INNER JOIN app_loaded_events ON app_loaded_events.user_id = registrations.user_id
  WHERE app_loaded_events.happened_at >= registrations.registered_at
    AND app_loaded_events.local_day BETWEEN '1970-01-01' AND DATE(SUBSTR(CURRENT_TIMESTAMP, 1, 10), '1 days')
  GROUP BY registrations.user_id, registrations.week_start
),

-- One row per converted user.
converted_users AS (
  SELECT user_id
  FROM first_loads
  WHERE first_load_week_start = DATE(week_start, '7 days')
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
  SELECT MIN(MAX(days.local_day), SUBSTR(CURRENT_TIMESTAMP, 1, 10)) AS local_day
  FROM days
  WHERE days.local_day BETWEEN '1970-01-01' AND DATE(SUBSTR(CURRENT_TIMESTAMP, 1, 10), '1 days')
)

SELECT
  STRFTIME('%Y', weeks.week_start, '+3 days') || PRINTF('-%02d', (STRFTIME('%j', weeks.week_start, '+3 days') + 6) / 7) AS registration_week,
  weeks.segment AS segment,
  weeks.total_registered AS total_registered,
  weeks.total_converted AS total_converted,
  -- Whole percent, rounded half up.
  (200 * weeks.total_converted + weeks.total_registered) / (2 * weeks.total_registered) AS conversion_rate,
  -- 1 if the last day on which a user can convert is over. Missing days in the log are not noticed.
  CASE WHEN DATE(weeks.week_start, '13 days') < latest.local_day THEN 1 ELSE 0 END AS is_complete
FROM weeks
CROSS JOIN latest
ORDER BY weeks.week_start, weeks.segment
