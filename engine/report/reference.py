"""The paper's figures for the network that a page is about, see `turncoat.engine.analysis.paper_values`."""

from dataclasses import dataclass

from turncoat.engine.analysis.paper_values import TABLE_2, paper_network, row_mean


@dataclass(frozen=True)
class Published:
    """The paper's figures for one of its networks; errors are means over its five subjects."""

    network: str
    initial_mm: float
    final_mm: float
    psnr_db: float
    ssim: float


def published(method: str) -> Published:
    """The paper's network for a method ("cssl-da": CSSL); NSD where the paper has no such network.

    The averages that Table 1 prints for the final errors of CSSL (207.5) and DRNet (177.5) are not the means of its
    rows (187.8, 178.1); here they are the means of the rows, as the averages of our own tables are.
    """
    name = paper_network(method.split("-")[0]) or "NSD"
    initial, final = row_mean(name)
    return Published(name, initial, final, TABLE_2[name].psnr_db, TABLE_2[name].ssim)
