SELECT
  `t4`.`time`,
  `t4`.`initiator_id`,
  `t4`.`device_type`
FROM (
  SELECT
    `t2`.`time`,
    `t2`.`initiator_id`,
    `t2`.`device_type`,
    `t3`.`since`,
    `t3`.`until`
  FROM `history` AS `t2`
  INNER JOIN `loads_to_read` AS `t3`
    ON `t2`.`initiator_id` = `t3`.`initiator_id`
) AS `t4`
WHERE
  `t4`.`time` >= `t4`.`since` AND `t4`.`time` < `t4`.`until`
