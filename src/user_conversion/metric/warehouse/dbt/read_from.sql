{# Loads of two more days are read, so that no time zone matters. #}
{% set monday = modules.datetime.datetime.strptime(since, "%Y-%m-%d") %}
{% set read_from = (monday - modules.datetime.timedelta(days=2)).strftime("%Y-%m-%d") %}
