{{ config(materialized="table") }}
{% set since = var("conversion_since", "1970-01-05") | string %}
