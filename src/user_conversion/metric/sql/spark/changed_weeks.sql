WITH `t3` AS (
  SELECT
    *
  FROM `merged_users` AS `t1`
  EXCEPT
  SELECT
    *
  FROM `known_users` AS `t0`
)
SELECT
  *
FROM (
  SELECT
    `t4`.`registration_week`
  FROM `t3` AS `t4`
) AS `t6`
UNION
SELECT
  *
FROM (
  SELECT
    `t2`.`registration_week`
  FROM `known_users` AS `t2`
  LEFT SEMI JOIN `t3` AS `t5`
    ON `t2`.`initiator_id` = `t5`.`initiator_id`
) AS `t7`
