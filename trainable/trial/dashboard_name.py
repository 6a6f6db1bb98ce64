"""The name under which Ray's dashboard lists a worker process: that of the trial it runs now, with its status.

Ray asks an actor for its name once, when it is created, and our workers run one trial after the other. So a worker
tells the dashboard of changes itself, on the channel that Ray's own control plane uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc

TIMEOUT_S = 5.0
"""For each of the two calls."""
TRIES = 3
"""Failures in a row after which no more is tried."""


class ActorName:
    """The name of the actor that this process is; it does nothing outside of one.

    The channel is no public interface: where a Ray lacks it the name does not change, and the process title and the
    log still tell the status.
    """

    def __init__(self) -> None:
        self._channel: grpc.Channel | None = None
        self._shown, self._tries = "", TRIES

    def show(self, name: str) -> None:
        """Let the dashboard list this actor by a name."""
        if not self._tries or name == self._shown:
            return
        try:
            self._tries = TRIES if self._publish(name) else 0
            self._shown = name
        except Exception as error:  # whatever a Ray that changed raises, a trial must not end with it
            self._tries -= 1
            if not self._tries:
                print(f"the dashboard no longer follows this worker: {type(error).__name__}", flush=True)

    def _publish(self, name: str) -> bool:
        """Send the actor's row of Ray's table with another name; return whether this is an actor."""
        import ray
        from ray._private.gcs_utils import create_gcs_channel

        if not ray.is_initialized():  # to ask for the context would start a Ray of its own
            return False
        messages, services, channels = (  # generated, without type hints
            import_module(f"ray.core.generated.{name}")
            for name in ("gcs_service_pb2", "gcs_service_pb2_grpc", "pubsub_pb2")
        )
        context = ray.get_runtime_context()
        if not (actor_id := context.get_actor_id()):
            return False
        if self._channel is None:
            self._channel = create_gcs_channel(context.gcs_address)
        key = bytes.fromhex(actor_id)
        table = services.ActorInfoGcsServiceStub(self._channel)
        wanted = messages.GetActorInfoRequest(actor_id=key)
        row = table.GetActorInfo(wanted, timeout=TIMEOUT_S).actor_table_data
        row.repr_name = name
        news = channels.PubMessage(channel_type=channels.GCS_ACTOR_CHANNEL, key_id=key, actor_message=row)
        service = services.ControlPlanePubSubGcsServiceStub(self._channel)
        service.GcsPublish(messages.GcsPublishRequest(pub_messages=[news]), timeout=TIMEOUT_S)
        return True
