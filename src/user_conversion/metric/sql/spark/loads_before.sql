SELECT
  *
FROM (
  SELECT
    `t0`.`initiator_id`,
    `t0`.`registered_at` AS `known_at`,
    `t0`.`loads_before_registration` AS `loads`
  FROM `known_users` AS `t0`
) AS `t2`
UNION ALL
SELECT
  *
FROM (
  SELECT
    `t1`.`initiator_id`,
    CAST(NULL AS TIMESTAMP) AS `known_at`,
    `t1`.`loads`
  FROM `known_unregistered_users` AS `t1`
) AS `t3`
