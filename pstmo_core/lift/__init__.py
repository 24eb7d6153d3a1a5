"""`pstmo lift`: lifts recordings, one job for each input file.

`plan` decides what each input becomes, `pool` and `ray_jobs` run the jobs, and `jobs` is one job:
`sources` and `opening` read the input, `outputs` writes the results, `ledger` records what is done.
"""
