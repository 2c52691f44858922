SELECT
  *
FROM (
  SELECT
    CAST(`t0`.`time` AS DATE) AS `day`,
    'registered' AS `event`,
    COUNT(*) AS `events`,
    MIN(`t0`.`time`) AS `earliest`,
    MAX(`t0`.`time`) AS `latest`
  FROM `user_registration` AS `t0`
  GROUP BY
    1
) AS `t2`
UNION ALL
SELECT
  *
FROM (
  SELECT
    CAST(`t1`.`time` AS DATE) AS `day`,
    'app_loaded' AS `event`,
    COUNT(*) AS `events`,
    MIN(`t1`.`time`) AS `earliest`,
    MAX(`t1`.`time`) AS `latest`
  FROM `app_loaded` AS `t1`
  GROUP BY
    1
) AS `t3`
