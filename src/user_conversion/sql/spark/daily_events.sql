SELECT
  CAST(`t4`.`time` AS DATE) AS `day`,
  `t4`.`event`,
  COUNT(*) AS `events`,
  MAX(`t4`.`time`) AS `latest`
FROM (
  SELECT
    *
  FROM (
    SELECT
      `t0`.`event`,
      `t0`.`time`
    FROM `user_registration` AS `t0`
  ) AS `t2`
  UNION ALL
  SELECT
    *
  FROM (
    SELECT
      `t1`.`event`,
      `t1`.`time`
    FROM `app_loaded` AS `t1`
  ) AS `t3`
) AS `t4`
GROUP BY
  1,
  2
