"""Every mistake is a page that says what to do next; a fragment gets the status alone."""

from __future__ import annotations

import structlog
from flask import Flask, Response, make_response, render_template, request
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from jinja2 import TemplateError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, InternalServerError

from callcenter.services.errors import Conflict, NotFound, Refused, ServiceError

_BARE = (
    "<!doctype html><html lang=id><title>aduan24</title><h1>Ada kesalahan di pihak kami</h1>"
    "<p>Yang sudah tersimpan tetap aman. Coba lagi sebentar.</p></html>"
)
#: Headers of an error that tell a client how to go on (RFC 9110).
_KEPT = ("Allow", "Content-Range", "Retry-After")
log = structlog.get_logger(__name__)


def _words(status: int) -> tuple[str, str]:
    """Title and remedy of a status."""
    table = {
        400: (
            _("Permintaan tidak lengkap"),
            _("Kembali ke halaman sebelumnya, muat ulang, lalu coba lagi."),
        ),
        401: (_("Perlu masuk lagi"), _("Sesi Anda berakhir. Masuk lagi untuk melanjutkan.")),
        403: (
            _("Tidak berwenang"),
            _("Peran Anda tidak membuka halaman ini. Minta administrator bila Anda memerlukannya."),
        ),
        404: (
            _("Tidak ditemukan"),
            _("Alamat ini tidak ada atau sudah dipindahkan. Mulai lagi dari halaman depan."),
        ),
        405: (
            _("Tidak bisa dengan cara ini"),
            _("Buka halaman lewat tombol atau menu, bukan lewat alamatnya."),
        ),
        409: (
            _("Sudah diubah orang lain"),
            _("Muat ulang halaman untuk melihat keadaan terbaru, lalu ulangi langkah Anda."),
        ),
        413: (_("Kiriman terlalu besar"), _("Kurangi jumlah atau ukuran berkas, lalu kirim lagi.")),
        416: (_("Bagian rekaman tidak ada"), _("Muat ulang halaman, lalu putar lagi dari awal.")),
        429: (_("Terlalu banyak percobaan"), _("Tunggu sebentar, lalu coba lagi.")),
    }
    fallback = (
        _("Ada kesalahan di pihak kami"),
        _(
            "Yang sudah tersimpan tetap aman. Coba lagi sebentar; bila berulang, hubungi "
            "administrator dan sebutkan jamnya."
        ),
    )
    return table.get(status, fallback)


def page(status: int, detail: str = "") -> tuple[str, int]:
    """The page of a status; `detail` says more than the status does."""
    if "HX-Request" in request.headers:
        return "", status
    title, remedy = _words(status)
    return render_template(
        "error.html", status=status, title=title, remedy=remedy, detail=detail
    ), status


def _http(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < 400:
        return error
    response = make_response(page(error.code))
    for name, value in error.get_headers():
        if name in _KEPT:
            response.headers[name] = value
    return response


def _csrf(_error: CSRFError) -> tuple[str, int]:
    return page(
        400,
        _(
            "Formulir ini kedaluwarsa. Yang Anda ketik belum tersimpan: kembali, salin, "
            "muat ulang, lalu kirim lagi."
        ),
    )


def _service(error: ServiceError) -> tuple[str, int]:
    status = {NotFound: 404, Conflict: 409, Refused: 400}.get(type(error), 400)
    return page(status, _(error.message))


def _crash(error: InternalServerError) -> tuple[str, int]:
    log.error("page_failed", endpoint=request.endpoint, exc_info=error.original_exception)
    try:
        return page(500)
    except (SQLAlchemyError, TemplateError):  # the page itself needs what has failed
        return _BARE, 500


def init(app: Flask) -> None:
    """Bind the pages."""
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(ServiceError, _service)
    app.register_error_handler(InternalServerError, _crash)
