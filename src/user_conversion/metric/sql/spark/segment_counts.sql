SELECT
  `t4`.`registration_week`,
  `t4`.`others`,
  `t4`.`value`,
  SUM(`t4`.`total_registered`) AS `total_registered`,
  SUM(`t4`.`total_converted`) AS `total_converted`
FROM (
  SELECT
    `t3`.`registration_week`,
    IF(`t3`.`others`, CAST(NULL AS STRING), `t3`.`value`) AS `value`,
    `t3`.`total_registered`,
    `t3`.`total_converted`,
    `t3`.`of_value`,
    `t3`.`others`
  FROM (
    SELECT
      `t2`.`registration_week`,
      `t2`.`value`,
      `t2`.`total_registered`,
      `t2`.`total_converted`,
      `t2`.`of_value`,
      (
        DENSE_RANK() OVER (
          ORDER BY `t2`.`of_value` DESC, `t2`.`value` IS NULL ASC NULLS LAST, `t2`.`value` ASC NULLS LAST
        ) - 1
      ) >= 1000 AS `others`
    FROM (
      SELECT
        `t1`.`registration_week`,
        `t1`.`value`,
        `t1`.`total_registered`,
        `t1`.`total_converted`,
        SUM(`t1`.`total_registered`) OVER (
          PARTITION BY `t1`.`value`
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS `of_value`
      FROM (
        SELECT
          `t0`.`registration_week`,
          `t0`.`value`,
          COUNT(*) AS `total_registered`,
          SUM(CAST(`t0`.`converted` AS BIGINT)) AS `total_converted`
        FROM `segmented_users` AS `t0`
        GROUP BY
          1,
          2
      ) AS `t1`
    ) AS `t2`
  ) AS `t3`
) AS `t4`
GROUP BY
  1,
  2,
  3
