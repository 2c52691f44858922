SELECT
  `t5`.`registration_week`,
  `t5`.`day`,
  COUNT(*) AS `conversions`
FROM (
  SELECT
    `t4`.`registration_week`,
    `t4`.`converted_at`,
    `t2`.`utc_day`,
    `t2`.`day`,
    `t2`.`starts_at`,
    `t2`.`ends_at`
  FROM (
    SELECT
      `t0`.`registration_week`,
      `t0`.`next_week_loaded_at` AS `converted_at`
    FROM `registered_users` AS `t0`
    WHERE
      `t0`.`loaded_next_week`
  ) AS `t4`
  INNER JOIN `local_days` AS `t2`
    ON CAST(`t4`.`converted_at` AS DATE) = `t2`.`utc_day`
    AND `t4`.`converted_at` >= `t2`.`starts_at`
    AND `t4`.`converted_at` < `t2`.`ends_at`
) AS `t5`
GROUP BY
  1,
  2
