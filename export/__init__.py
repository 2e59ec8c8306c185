"""From a trained network to something that runs elsewhere: the attack step, and bundles made from it."""
