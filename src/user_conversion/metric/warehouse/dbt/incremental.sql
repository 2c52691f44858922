{{ config(materialized="incremental", unique_key="registration_week") }}
{# The weeks from the oldest one on that was not complete are computed again. Late events of older
   weeks are taken in by `dbt run --full-refresh`. #}
{% set since = var("conversion_since", "1970-01-05") | string %}
{% if is_incremental() %}
  {% set open = "SELECT MIN(registration_week) FROM " ~ this ~ " WHERE is_complete = 0" %}
  {% set week = run_query(open).columns[0].values()[0] %}
  {% if week %}
    {% set since = modules.datetime.datetime.strptime(week ~ "-1", "%G-%V-%u").strftime("%Y-%m-%d") %}
  {% endif %}
{% endif %}
