SELECT
  `t0`.`registration_week`,
  `t0`.`value`,
  COUNT(*) AS `total_registered`,
  SUM(CAST(`t0`.`converted` AS BIGINT)) AS `total_converted`
FROM `segmented_users` AS `t0`
GROUP BY
  1,
  2
