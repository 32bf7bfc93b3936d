"""A Ray cluster of two nodes on this machine: python -m lab.ray_nodes CPUS. Prints its address.

Each line that it reads takes the second node away. At the end of its input it ends the cluster.
"""

import sys

from ray.cluster_utils import Cluster

MEMORY_BYTES = 100 << 20
"""Of each node's object store."""
LOOPBACK = "127.0.0.2"
"""Ray replaces 127.0.0.1 by an address that other machines can reach."""


def main(cpus: int) -> None:
    """Run the cluster. `cpus`: that Ray gives away on each node, whatever the machine has."""
    node = {"node_ip_address": LOOPBACK, "num_cpus": cpus, "object_store_memory": MEMORY_BYTES}
    head = node | {"include_dashboard": False, "resources": {"head": 1}}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        second = cluster.add_node(**node)
        print(cluster.address, flush=True)  # noqa: T201
        for _ in sys.stdin:
            cluster.remove_node(second, allow_graceful=False)
            print("removed", flush=True)  # noqa: T201
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
