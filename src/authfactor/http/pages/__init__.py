"""Pages for people: enrolment and challenge links, and whatever else is shown in a browser.

How a page is made:

1. Write a handler that takes a `Visit` and returns an `Answer`, and put it into a route:

       async def show_user(visit: Visit) -> Answer:
           user = await visit.af.read(...)
           return visit.show("console/user.html", user=user)

       ROUTES = [page("GET", "/console/users/{user_id}", show_user, "A user")]

   Add the list to `pages.routes.ROUTES`. `visit.ids` holds the ids of the path, `visit.form()` the fields
   of a submitted form, `visit.cookie(name)` a cookie, `visit.query()` the query.
   `visit.show(template, status=…, cookies=…, **names)` renders; `visit.go(path, cookies=…)` redirects
   after a POST (303). Errors of the one family become an error page by themselves.
2. Write the template under `templates/`, starting with `{% extends "base.html" %}`. Values are escaped.
   Styles are classes of `static/authfactor.css` (its first lines list them); `{{ asset("x.css") }}` gives
   the hashed address of a static file. Inline scripts and styles do not run: the policy forbids them.
   A page that wants htmx sets `{% block scripts %}{{ htmx() }}{% endblock %}`.
3. Words come from `locales/<language>/<area>.toml`: `{{ t("enroll.title") }}`, and with places
   `{{ t("enroll.tries", count=3) }}`. An area for operators may be English only (`words.ENGLISH_ONLY`).

A page works without JavaScript. A POST is refused unless it comes from our own pages (`protection`), so
forms need no token. Cookies are made with `protection.cookie`. Nothing here is imported or compiled before
the first page is asked for, but for this package's small modules.
"""
