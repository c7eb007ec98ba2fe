"""Audiences: saved questions in the audience language, and their answers as of a date."""

from serving.audiences.definitions import AUDIENCES, Audience, parse_audience, parse_audiences, product_sets, saved_audiences
from serving.audiences.members import (
    Members,
    build,
    build_all,
    evidence_of,
    export,
    export_frame,
    export_path,
    members_folder,
    members_of,
    members_of_all,
    save,
)

__all__ = [
    "AUDIENCES",
    "Audience",
    "Members",
    "build",
    "build_all",
    "evidence_of",
    "export",
    "export_frame",
    "export_path",
    "members_folder",
    "members_of",
    "members_of_all",
    "parse_audience",
    "parse_audiences",
    "product_sets",
    "save",
    "saved_audiences",
]
