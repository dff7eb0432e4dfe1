"""The studio: a web page and an HTTP interface on one model. `app` joins its parts, `server` runs them; `page/` is what a browser gets."""
