SELECT
  COUNT(*) AS `users`
FROM (
  SELECT
    `t3`.`initiator_id`
  FROM `published_ids` AS `t3`
  LEFT SEMI JOIN (
    SELECT
      COALESCE(`t7`.`user_id`, `t7`.`initiator_id`, `t7`.`initiator_id_right`) AS `initiator_id`
    FROM (
      SELECT
        `t6`.`initiator_id`,
        `t6`.`user_now`,
        `t4`.`initiator_id` AS `initiator_id_right`,
        `t4`.`user_id`
      FROM (
        SELECT
          `t1`.`initiator_id`,
          `t1`.`user_id` AS `user_now`
        FROM `identities` AS `t1`
      ) AS `t6`
      FULL OUTER JOIN `identities_before` AS `t4`
        ON `t6`.`initiator_id` = `t4`.`initiator_id`
    ) AS `t7`
    WHERE
      NOT (
        `t7`.`user_now` IS NOT DISTINCT FROM `t7`.`user_id`
      )
  ) AS `t9`
    ON `t3`.`initiator_id` = `t9`.`initiator_id`
) AS `t10`
