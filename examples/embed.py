"""The service embedded in your own application, which has its own routes and log-in.

SFU_KEYS="school: $(openssl rand -hex 32)" python examples/embed.py [PORT]
"""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from api import auth
from api.app import create_app
from api.settings import read
from sfu import NotFound, Sfu
from sfu.commands import ADMINISTRATOR, ListParticipants
from sfu.model import Grant, Permissions

settings, _ = read(os.environ)


def end(reason: str) -> None:
    """A packet thread ended and everybody was disconnected. Ends the process, so that its supervisor restarts it."""
    print(f"ending: {reason}", file=sys.stderr)
    os.kill(os.getpid(), signal.SIGTERM)


service = create_app(settings, on_failure=end)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """FastAPI does not run the lifespan of a mounted application. This opens and closes the Sfu."""
    async with service.router.lifespan_context(service):
        yield


app = FastAPI(lifespan=lifespan)


class Pupil(BaseModel):
    name: str
    teacher: bool = False


@app.post("/class/{name}/enter")
async def enter(name: str, pupil: Pupil) -> dict[str, str]:
    """Decide here who may join. The token carries the decision to the SFU."""
    key, secret = next(iter(settings.keys.items()))
    grant = Grant(
        identity=pupil.name.lower(),
        name=pupil.name,
        room=name,
        room_join=True,
        room_admin=pupil.teacher,
        permissions=Permissions(can_update_own_metadata=True),
        key=key,
    )
    return {"token": auth.sign(grant, secret, ttl=3600), "rtc": f"/v1/rooms/{name}/rtc"}


@app.get("/class/{name}")
async def attendance(name: str) -> dict[str, list[str]]:
    """Commands do the same as REST, without HTTP and without a token."""
    sfu: Sfu = service.state.sfu
    try:
        page = await sfu.execute(ListParticipants(ADMINISTRATOR, name))
    except NotFound:
        return {"present": []}
    return {"present": [participant.name for participant in page.entries]}


app.mount("/", service)

if __name__ == "__main__":
    # Compression would cost more than everything else of a WebSocket message.
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    uvicorn.run(app, port=port, access_log=False, ws_per_message_deflate=False)
