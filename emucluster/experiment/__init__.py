"""An experiment as a value: what is to be done, what was recorded, and what follows from it.

`spec` is the file that a user writes, `plan` what it means for one cluster and one seed, `ledger`
what became of each planned fault, `history` what was recorded, `measures` what the records come to,
`hypotheses` the verdicts and `result` what is kept of it all.

Nothing here has a clock, a socket, Ray or gRPC: times are arguments, draws come from streams named
after the seed, and the same records give the same verdict in a test, on virtual time and live.
"""
