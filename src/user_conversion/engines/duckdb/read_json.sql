read_json(
        [$paths],
        -- DuckDB parses only the members that are asked for.
        columns = {$members},
        format = 'newline_delimited',
        records = 'true',
        compression = '$compression',
        ignore_errors = true,
        hive_partitioning = false,
        maximum_object_size = $largest_line
        $timestamp_format
    )
