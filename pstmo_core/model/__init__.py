"""The networks of the paper in torch: SEM, TEM and MOFA, joined as STMO."""
