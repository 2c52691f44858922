SELECT
  `t2`.`initiator_id`,
  `t2`.`user_id`
FROM (
  SELECT
    `t1`.`time`,
    `t1`.`initiator_id`,
    `t1`.`user_id`,
    ROW_NUMBER() OVER (
      PARTITION BY `t1`.`initiator_id`
      ORDER BY `t1`.`time` ASC NULLS LAST, `t1`.`user_id` ASC NULLS LAST
    ) - 1 AS `place`
  FROM (
    SELECT
      *
    FROM `user_identity` AS `t0`
    WHERE
      `t0`.`initiator_id` <> `t0`.`user_id`
  ) AS `t1`
) AS `t2`
WHERE
  `t2`.`place` = 0
