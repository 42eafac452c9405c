"""The query parameters of lists that come in pages (`sfu/paging.py`)."""

from typing import Annotated

from fastapi import Query

from sfu import limits

NEXT = "If there are more entries, the `after` of the next request. Empty: this is the last page."
After = Annotated[str, Query(description="The `next` of the previous page.", max_length=limits.NAME_CHARACTERS)]
Limit = Annotated[int, Query(ge=1, le=limits.LIST_PAGE, description="Maximum entries of the page.")]
