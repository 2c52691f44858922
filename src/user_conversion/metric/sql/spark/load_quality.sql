SELECT
  `t0`.`registration_week`,
  SUM(`t0`.`loads_before_registration`) AS `loads_before_registration`,
  SUM(CAST(`t0`.`loads_before_registration` > 0 AS BIGINT)) AS `seen_before`
FROM `registered_users` AS `t0`
GROUP BY
  1
