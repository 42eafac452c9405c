"""The commands `sfu webhooks`, over the internal listener."""

import typer

from api import reaching, report
from api.report import AsJson
from sfu_client import ClientError

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, retry and test webhooks (at SFU_INTERNAL_PORT)."
)


@app.command("list")
def list_webhooks(as_json: AsJson = False) -> None:
    """List the webhooks: how many events wait, and how many were given up."""
    with reaching.internal("webhooks") as client:
        report.show(client.list_webhooks(), "webhooks", ("name", "url", "pending", "dead", "error"), as_json)


@app.command("retry")
def retry_webhook(name: str) -> None:
    """Send what waits, and what was given up, at once. Print the number of events."""
    with reaching.internal("webhooks") as client:
        print(client.retry_webhook(name))


@app.command("test")
def test_webhook(name: str) -> None:
    """Send an event of the type test, and print whether the receiver took it."""
    with reaching.internal("webhooks") as client:
        error = client.test_webhook(name)
    if error:
        raise ClientError(f"The webhook {name} did not take the event: {error}.")
    print(f"The webhook {name} took the event.")
