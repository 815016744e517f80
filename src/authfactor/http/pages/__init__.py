"""Pages in a browser: enrollment and challenge links, the console, the API reference.

To add a page:

1. Write a handler that takes a `PageRequest` and returns a `Response`, in `user_pages.py`:

       async def show_user(request: PageRequest) -> Response:
           user = await request.af.read(...)
           return request.render("users/user.html", user=user)

   Add `page("GET", "/users/{user_id}", "user_pages.show_user", "A user")` to `pages.routes.ROUTES`: the
   module is imported at the first request. `request.ids` holds the path parameters, `request.form()` the
   fields of a submitted form, `request.cookie(name)` a cookie, `request.query()` the query parameters.
   `request.render(template, status=…, cookies=…, **names)` renders a template, and
   `request.redirect(path, cookies=…)` redirects after a POST (303). An `AuthfactorError` becomes a page.
2. Write the template under `templates/`, starting with `{% extends "base.html" %}`. Values are escaped.
   Styles are classes of `static/authfactor.css`, listed at its top; `{{ asset("x.css") }}` is the hashed URL
   of a static file. The content security policy forbids inline scripts and styles.
   A page that uses htmx sets `{% block scripts %}{{ htmx() }}{% endblock %}`.
3. Put the texts into `locales/<language>/<area>.toml`: `{{ t("enroll.title") }}`, or with placeholders
   `{{ t("code.left", count=3) }}`. Areas for operators may be English only (`translations.ENGLISH_ONLY`).

Pages work without JavaScript. A POST is rejected unless it comes from our own pages (`browser_security`), so
forms need no CSRF token. Make cookies with `browser_security.cookie`. Templates and their libraries are
loaded after the server has started.
"""
