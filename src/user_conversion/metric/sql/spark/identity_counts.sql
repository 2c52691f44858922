SELECT
  SUM(CAST(`t6`.`users` > 0 AS BIGINT)) AS `ids`,
  SUM(CAST(`t6`.`users` > 1 AS BIGINT)) AS `of_several_users`,
  SUM(CAST(`t6`.`same` > 0 AS BIGINT)) AS `of_themselves`
FROM (
  SELECT
    `t5`.`initiator_id`,
    COUNT(
      DISTINCT IF(
        `t5`.`initiator_id` <> `t5`.`user_id`,
        COALESCE(`t5`.`last_id`, `t5`.`user_id`),
        NULL
      )
    ) AS `users`,
    SUM(CAST(NOT (
      `t5`.`initiator_id` <> `t5`.`user_id`
    ) AS BIGINT)) AS `same`
  FROM (
    SELECT
      `t2`.`time`,
      `t2`.`initiator_id`,
      `t2`.`user_id`,
      `t4`.`user_id` AS `user_id_right`,
      `t4`.`last_id`
    FROM `user_identity` AS `t2`
    LEFT OUTER JOIN (
      SELECT
        `t1`.`initiator_id` AS `user_id`,
        `t1`.`user_id` AS `last_id`
      FROM `identities` AS `t1`
    ) AS `t4`
      ON `t2`.`user_id` = `t4`.`user_id`
  ) AS `t5`
  GROUP BY
    1
) AS `t6`
