{{ config(materialized='table') }}

with viewing as (
    select
        title_id,
        country_code,
        round(sum(view_hours), 6) as view_hours
    from {{ ref('playback') }}
    where date = date '{{ var("execution_date", "2026-01-01") }}'
        and title_id is not null
        and view_hours > 0
    group by title_id, country_code
),

ranked as (
    select
        title_id,
        country_code,
        rank() over (partition by country_code order by view_hours desc) as title_rank,
        view_hours
    from viewing
)

select title_id, country_code, title_rank, view_hours
from ranked
where title_rank <= 100
