SELECT
  `t5`.`initiator_id`,
  `t5`.`attributes`,
  `t2`.`registration_week`,
  `t2`.`week_number`,
  `t2`.`next_week_ends_at`,
  `t5`.`time` AS `registered_at`,
  `t2`.`ends_at` AS `next_week_starts_at`
FROM (
  SELECT
    *
  FROM (
    SELECT
      `t1`.`time`,
      `t1`.`initiator_id`,
      `t1`.`attributes`,
      ROW_NUMBER() OVER (
        PARTITION BY `t1`.`initiator_id`
        ORDER BY `t1`.`time` ASC NULLS LAST, `t1`.`attributes` IS NULL ASC NULLS LAST, `t1`.`attributes` ASC NULLS LAST
      ) - 1 AS `place`
    FROM `user_registration` AS `t1`
  ) AS `t3`
  WHERE
    `t3`.`place` = 0
) AS `t5`
INNER JOIN `calendar` AS `t2`
  ON CAST(`t5`.`time` AS DATE) = `t2`.`utc_day`
  AND `t5`.`time` >= `t2`.`starts_at`
  AND `t5`.`time` < `t2`.`ends_at`
