SELECT
  *
FROM (
  SELECT
    `t7`.`initiator_id`,
    COUNT(*) AS `loads`
  FROM (
    SELECT
      `t4`.`time`,
      `t4`.`initiator_id`,
      `t4`.`device_type`
    FROM `added_loads` AS `t4`
    LEFT ANTI JOIN `earliest_registrations` AS `t5`
      ON `t4`.`initiator_id` = `t5`.`initiator_id`
  ) AS `t7`
  GROUP BY
    1
) AS `t8`
UNION ALL
SELECT
  *
FROM (
  SELECT
    `t3`.`initiator_id`,
    -(
      `t3`.`loads`
    ) AS `loads`
  FROM `known_unregistered_users` AS `t3`
  LEFT SEMI JOIN `earliest_registrations` AS `t5`
    ON `t3`.`initiator_id` = `t5`.`initiator_id`
) AS `t6`
