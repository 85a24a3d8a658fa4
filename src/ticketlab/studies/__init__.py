"""The claims that can be put to the test, each a study in a file of its own, imported when it is asked for."""

STUDIES: dict[str, str] = {
    "tangent-minimum": "ticketlab.studies.tangent_minimum:TangentMinimum",
    "linear-regime": "ticketlab.studies.linear_regime:LinearRegime",
    "winning-ticket": "ticketlab.studies.winning_ticket:WinningTicket",
    "masking-is-training": "ticketlab.studies.masking_is_training:MaskingIsTraining",
    "untrained-subnetwork": "ticketlab.studies.untrained_subnetwork:UntrainedSubnetwork",
    "multi-prize": "ticketlab.studies.multi_prize:MultiPrize",
    "linear-mode": "ticketlab.studies.linear_mode:LinearMode",
    "newton-step": "ticketlab.studies.newton_step:NewtonStep",
}
"""The study of each claim, as "module:class"."""

__all__ = ["STUDIES"]
