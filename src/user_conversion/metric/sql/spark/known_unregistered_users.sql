SELECT
  *
FROM (
  SELECT
    `t8`.`initiator_id`,
    CAST(CAST(SUM(`t8`.`loads`) AS DECIMAL(18, 0)) AS BIGINT) AS `loads`
  FROM (
    SELECT
      `t3`.`initiator_id`,
      `t3`.`loads`
    FROM `published_counts` AS `t3`
    LEFT SEMI JOIN (
      SELECT
        *
      FROM (
        SELECT
          `t1`.`initiator_id`
        FROM `added_registrations` AS `t1`
      ) AS `t4`
      UNION
      SELECT
        *
      FROM (
        SELECT
          `t2`.`initiator_id`
        FROM `added_loads` AS `t2`
      ) AS `t5`
    ) AS `t7`
      ON `t3`.`initiator_id` = `t7`.`initiator_id`
  ) AS `t8`
  GROUP BY
    1
) AS `t9`
WHERE
  `t9`.`loads` > 0
