"""The words on screen for what the code calls by its English name (domain vocabulary)."""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from callcenter.web.audit_words import ACTIONS

STATES: dict[str, LazyString] = {
    "received": _l("Diterima"),
    "transcribed": _l("Ditranskripsi"),
    "categorised": _l("Dikategorikan"),
    "dispatched": _l("Diteruskan"),
    "answered": _l("Ditanggapi"),
    "closed": _l("Selesai"),
    "reopened": _l("Dibuka lagi"),
    "merged": _l("Digabung"),
    "not_actionable": _l("Tidak ditindaklanjuti"),
    "accepted": _l("Diterima instansi"),
    "responded": _l("Ditanggapi"),
    "waiting": _l("Menunggu"),
    "in_progress": _l("Dikerjakan"),
    "handled": _l("Ditangani"),
    "reported": _l("Dilaporkan"),
    "returned": _l("Dikembalikan"),
}

URGENCIES: dict[str, LazyString] = {
    "report": _l("Laporan"),
    "emergency": _l("Darurat"),
}

OUTCOMES: dict[str, LazyString] = {
    "solved": _l("Selesai menurut warga"),
    "not_solved": _l("Belum selesai menurut warga"),
    "unconfirmed": _l("Warga tidak menjawab"),
}

WAITING: dict[str, LazyString] = {
    "procurement": _l("Pengadaan"),
    "material": _l("Material"),
    "budget": _l("Anggaran"),
    "equipment": _l("Alat"),
}

CLIPS: dict[str, LazyString] = {
    "complaint": _l("Aduan"),
    "name": _l("Nama"),
    "village": _l("Desa"),
    "talk": _l("Percakapan"),
    "report": _l("Laporan lisan"),
    "reason": _l("Alasan warga"),
}

VERBS: dict[str, LazyString] = {
    "receive": _l("Aduan diterima"),
    "answer_call": _l("Operator menjawab telepon"),
    "transcribe": _l("Ditranskripsi"),
    "categorise": _l("Kategori dan tempat ditetapkan"),
    "dispatch": _l("Diteruskan ke instansi"),
    "accept": _l("Diterima instansi"),
    "respond": _l("Instansi menanggapi"),
    "start": _l("Mulai dikerjakan"),
    "wait": _l("Pekerjaan menunggu"),
    "prolong": _l("Masa tunggu diperpanjang"),
    "wake": _l("Masa tunggu berakhir"),
    "handle": _l("Ditangani"),
    "report": _l("Laporan penanganan sampai ke pimpinan"),
    "file_report": _l("Laporan penanganan dikirim"),
    "return": _l("Dikembalikan instansi"),
    "settle_return": _l("Tidak perlu instansi lain"),
    "plan": _l("Instansi berikutnya ditetapkan"),
    "drop_plan": _l("Instansi berikutnya dibatalkan"),
    "answer": _l("Semua instansi menanggapi"),
    "ask": _l("Warga ditanya"),
    "asked": _l("Warga ditanya"),
    "called": _l("Ditelepon otomatis"),
    "word": _l("Jawaban warga"),
    "close": _l("Ditutup"),
    "reopen": _l("Dibuka lagi"),
    "propose_reject": _l("Diusulkan tidak ditindaklanjuti"),
    "reject": _l("Tidak ditindaklanjuti"),
    "merge": _l("Digabung ke aduan lain"),
    "follow": _l("Mengikuti aduan lain"),
    "joined": _l("Aduan lain bergabung"),
    "part": _l("Dipisahkan lagi"),
    "chase": _l("Petugas ditagih"),
    "message": _l("Pesan warga digabungkan"),
    "forget_person": _l("Data pribadi dihapus"),
    "reply": _l("Balasan kepada warga"),
    "attach": _l("Lampiran ditambahkan"),
    "take_over": _l("Diambil alih operator lain"),
    "escalate": _l("Eskalasi"),
    "step": _l("Eskalasi"),
    "missed": _l("Jangka waktu terlewati"),
}

NOTICE_STATES: dict[str, LazyString] = {
    "queued": _l("Antre"),
    "sending": _l("Dikirim"),
    "sent": _l("Terkirim"),
    "delivered": _l("Sampai"),
    "dead": _l("Gagal"),
    "refused": _l("Ditolak"),
    "failed": _l("Gagal"),
    "unsent": _l("Tidak terkirim"),
    "looked": _l("Diperiksa di penyedia"),
    "": _l("Belum jelas"),
}

CHANNELS: dict[str, LazyString] = {
    "screen": _l("Layar"),
    "whatsapp": _l("WhatsApp"),
    "sms": _l("SMS"),
    "email": _l("Surel"),
    "phone": _l("Telepon"),
    "call": _l("Telepon"),
    "walk_in": _l("Datang langsung"),
    "letter": _l("Surat"),
    "facebook": _l("Komentar Facebook"),
}

ROLES: dict[str, LazyString] = {
    "operator": _l("Operator"),
    "supervisor": _l("Supervisor"),
    "officer": _l("Petugas instansi"),
    "administrator": _l("Administrator"),
}

POSTS: dict[str, LazyString] = {
    "duty": _l("petugas piket"),
    "next": _l("petugas berikutnya"),
    "officer": _l("petugas TRC"),
    "team": _l("Tim Reaksi Cepat"),
    "secretary": _l("sekretaris instansi"),
    "head": _l("pimpinan instansi"),
    "supervisor": _l("supervisor"),
    "coordinator": _l("koordinator"),
    "regional_secretary": _l("Sekretaris Daerah"),
    "deputy_regent": _l("Wakil Bupati"),
}

MODES: dict[str, LazyString] = {
    "app": _l("lengkap"),
    "fallback-refused": _l("jalur cadangan"),
    "fallback-died": _l("jalur cadangan"),
    "fallback-hung": _l("jalur cadangan"),
    "adopted": _l("rekaman tanpa catatan"),
    "busy": _l("ditolak, sibuk"),
    "unanswered": _l("ditutup sebelum dijawab"),
    "out": _l("panggilan keluar"),
    "out-back": _l("telepon balik"),
    "record": _l("hanya catatan sentral"),
}

#: The sample ladder's rungs; a deployment's own keys are shown as they are.
STEPS: dict[str, LazyString] = {
    "dispatch": _l("Pemberitahuan pertama"),
    "next_officer": _l("Petugas berikutnya"),
    "secretary": _l("Sekretaris instansi"),
    "remind_team": _l("Pengingat untuk tim"),
    "remind_head": _l("Pengingat untuk pimpinan"),
    "missed": _l("24 jam terlewati"),
    "missed_48h": _l("48 jam terlewati"),
    "chase_handling": _l("Belum ditangani: tim ditagih"),
    "chase_handling_head": _l("Belum ditangani: pimpinan ditagih"),
    "chase_report": _l("Laporan belum ada: tim ditagih"),
    "chase_report_head": _l("Laporan belum ada: pimpinan ditagih"),
}

#: What the line wrote down about a call; unknown keys are shown as they are.
PATH: dict[str, LazyString] = {
    "started": _l("Panggilan masuk"),
    "caller": _l("Penelepon"),
    "called": _l("Nomor tujuan"),
    "number": _l("Nomor aduan disiapkan"),
    "consent": _l("Persetujuan diperdengarkan"),
    "clip": _l("Rekaman disimpan"),
    "clip_status": _l("Keadaan rekaman"),
    "step": _l("Langkah"),
    "key": _l("Tombol ditekan"),
    "review": _l("Jawaban tinjauan"),
    "number_heard": _l("Nomor dibacakan"),
    "answered": _l("Dijawab"),
    "mode": _l("Jalur"),
    "ended": _l("Panggilan berakhir"),
}

#: Languages that the line speaks.
SPEECH: dict[str, LazyString] = {
    "id": _l("Bahasa Indonesia"),
    "ban": _l("Basa Bali"),
    "en": _l("Bahasa Inggris"),
}

VOICES: dict[str, LazyString] = {
    "sentence": _l("Kalimat"),
    "word": _l("Kata untuk angka, tanggal, dan waktu"),
    "name": _l("Nama instansi dan kategori"),
    "borrowed": _l("Diucapkan dalam bahasa Indonesia"),
}

LINE_MODES: dict[str, LazyString] = {
    "normal": _l("Biasa"),
    "announcement": _l("Pengumuman dulu"),
    "emergency_only": _l("Hanya darurat"),
}

ROOM: dict[str, LazyString] = {
    "enough": _l("Cukup"),
    "low": _l("Menipis"),
    "full": _l("Penuh"),
}

CALL_BACKS: dict[str, LazyString] = {
    "asked": _l("Minta ditelepon"),
    "abandoned": _l("Menunggu operator, lalu putus"),
    "missed": _l("Putus sebelum bicara"),
    "waiting": _l("Menunggu"),
    "calling": _l("Sedang ditelepon"),
    "talked": _l("Sudah bicara"),
    "reached_us": _l("Menelepon lagi sendiri"),
    "given_up": _l("Tidak terjangkau"),
    "no_answer": _l("Tidak dijawab"),
    "busy": _l("Sibuk"),
    "failed": _l("Tidak tersambung"),
    "gave_up": _l("Dihentikan"),
}

TABLES = {
    "line_mode": LINE_MODES,
    "room": ROOM,
    "call_back": CALL_BACKS,
    "path": PATH,
    "step": STEPS,
    "state": STATES,
    "urgency": URGENCIES,
    "outcome": OUTCOMES,
    "waiting": WAITING,
    "clip": CLIPS,
    "verb": VERBS,
    "notice_state": NOTICE_STATES,
    "channel": CHANNELS,
    "role": ROLES,
    "post": POSTS,
    "mode": MODES,
    "speech": SPEECH,
    "voices": VOICES,
    "action": ACTIONS,
}


def label(value: object, table: str) -> str:
    """The word for `value`; the value itself where the table has none."""
    key = str(value or "")
    return str(TABLES[table].get(key, key))
