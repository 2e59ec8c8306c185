"""The supervised ceiling that an evaluation sets beside a network."""

from turncoat.training.checkpoint import Network, find_weights, load_network, shipped_weights

CEILING = "supervised"
"""Name of the shipped weights that were trained with all labels."""


def find_ceiling(network: Network, name: str = CEILING) -> Network | None:
    """The network to set beside `network`, lying where it does; None if there is none.

    name: weights, a file or a shipped name; "none" for nobody. The default is nobody where it is not shipped. A network
        is no ceiling of itself. (`evaluate` leaves out one for frames of another size, and says so.)

    Raises:
        DataError, ConfigError: weights that were named cannot be read, or predict no pose.
    """
    if name == "none" or (name == CEILING and CEILING not in shipped_weights()):
        return None
    path = find_weights(name)
    if path.resolve() == network.path.resolve():
        return None
    ceiling = load_network(path, regressor=True, device=network.device)
    return None if ceiling.weights_hash == network.weights_hash else ceiling
