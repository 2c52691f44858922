-- Rows that cannot be: a rate outside 0 to 100, or more converted than registered users.
SELECT *
FROM {{ ref("weekly_user_conversion") }}
WHERE conversion_rate NOT BETWEEN 0 AND 100 OR total_converted > total_registered
