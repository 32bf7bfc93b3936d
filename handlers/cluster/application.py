"""What Serve builds from its configuration: `import_path: handlers.cluster.application:app`."""

from typing import Any

from ray import serve

from handlers.cluster.arguments import ingress_settings
from handlers.cluster.ingress import Ingress, create_ingress
from handlers.cluster.worker import Worker

INGRESS, WORKERS = "Ingress", "Workers"
"""The deployments, as the section `deployments` of Serve's configuration names them."""
LOGGING = {"enable_access_log": False}
"""framehook has its own line for each request."""


def app(arguments: dict[str, Any]) -> serve.Application:
    """Return the application. Raises ConfigurationError when an argument is wrong.

    `arguments`: settings of framehook, and `frames_in_flight`.
    """
    ingress_settings(arguments)

    def create() -> Ingress:
        return create_ingress(arguments, serve.get_deployment_handle(WORKERS, serve.get_replica_context().app_name))

    workers = serve.deployment(
        Worker,
        name=WORKERS,
        ray_actor_options={"num_cpus": 1},
        max_ongoing_requests=4,
        logging_config=LOGGING,
        autoscaling_config={"min_replicas": 1, "max_replicas": 4, "target_ongoing_requests": 2},
    )
    ingress = serve.deployment(
        serve.ingress(create)(),
        name=INGRESS,
        ray_actor_options={"num_cpus": 0.5},
        max_ongoing_requests=1000,
        logging_config=LOGGING,
    )
    return ingress.bind(workers.bind(arguments))
