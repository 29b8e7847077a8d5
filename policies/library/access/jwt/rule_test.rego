package portcullis.library.access.jwt_test

import data.portcullis.library.access.jwt

jwks := {"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "es-1", "x": "NTgbihyuRfs-_O1JBJBAJxAnU2LpnliZjlf3HnaGqqE", "y": "2HqSR31DcBfz4pgK4uSS5lkRsGi_0x5zc36qx0zNyfs"}, {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "rs-1", "n": "xRw1BKhkqAbLzPPcTcTnQyZb7b1FGGHuqg6vQDtkZJuzpYislQFNJ7WD0FdIRS6xYlONWu56xqJO_Sg8B7LSPP7z36wqh1cd7lqHUoU5eFhTxNfO1lFHr4Qn-ueZEsmvK5vz8dMy64lxIE1bhniX6C2tLnyGI0F7wECHtoPobxaVs5u3Cxb8ZmaHf7OG7ddZpOWttQPAIdT-XrSRtlCSZEMAQdMz1vq9Mxtzh188PaqcTVEQ3d6LUNNJ869IN5bwLbC0TVU4IP-r6u10KLOfPwm90621v-OP3Qz5cToMY67dOhUSlLole2imyik058v-4KCDqlLvdtHvLWmRu4ofow", "e": "AQAB"}]}

# Tokens of keys that exist nowhere any more. Each is that of anna, who is in the groups dev and on-call, but for what is said.
tokens := {
	# Anna of dev and on-call.
	"good": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdLCJleHAiOjQxMDI0NDQ4MDB9.LT0OfbtY1S9oBL4d0BFcjr6_bmVd9ZctCunxk_Yr2TivX04Pbb8Olf4qG5A9N4mGtZVTkfrxOy1CqJYUOwAkSw",
	# The same, signed with RSA.
	"rs256": "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InJzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdLCJleHAiOjQxMDI0NDQ4MDB9.MlL1d7LlvKm2ufigdsZ9VSYQgw6UPj6jiUk4d0wAXJ_qHbtYAJELxV0JoSTQgDJKQtpXJi-DhvRgrVyTZ3_9lOoFlXFO2c4G4bDZjT2mVsrd3EgZqobstshmgvcoM7eUQ9JOi4ch46tfn6TF0GW083KGqbqVz018HeCGsEiZB7eaR-xv-w9O-W8a1uF7ULZnAOH7zKqbSt9sWLqkv4mBtAb19SDbDWs7WmKAQcvPK1BgK8QwJkZTGvPH1s75Qn9A0i3InHx321dissLwW5JPMwgNKeOxVcZFlUG5eiIWk7clukhSCZ3JvlU9erxDNvj1Z-GdQbm4TgylLreF3posjg",
	# The same, without a key id.
	"without_kid": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdLCJleHAiOjQxMDI0NDQ4MDB9.QzmeVUpKkhq605pGRZmeodfw75TIWr_qkhedAtSZfEOW07zC7oYb1yPawxxnHKT_Uyqz2335TsyTpHkUZoVWjA",
	# The same, with the id of no key.
	"unknown_kid": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTkifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdLCJleHAiOjQxMDI0NDQ4MDB9.U9Ne485B3hSRW1cC6XzETbH0tsW1Pqb_uJs_NZqFQ5RR_4a1abUKF9kMMTulfXQ91ONqpQbtGA30JHDwGYMhzQ",
	# The same, signed with a key of somebody else.
	"other_key": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdLCJleHAiOjQxMDI0NDQ4MDB9.E17lwK59sgzXiY8VuoIU7Qa0cUSPEtAe_GDwD7MmvJBzqe-lIVTiuMevjtsK2A02gN_ANN4k3ZKYw0Er-njnTQ",
	# The same, with the id of the RSA key.
	"kid_of_another_key": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InJzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdLCJleHAiOjQxMDI0NDQ4MDB9.X1axp55Q7BpXaFtTZQDOrrUzxtpte7DswKocNzrpbYBBNahGI5dnb4ME3_WH3CIloaT2RDaAZkYdhGI2Mu7sig",
	# The same, signed with an algorithm that is not on the list.
	"ps256": "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InJzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdLCJleHAiOjQxMDI0NDQ4MDB9.pDpSZh5YFD0-C5MewcLxNKtKxG3Pi8WrOKS9BcAAOtcetVi0E4CR8ekHx8J2m0P9f9tt191tFPga25GYTsNgNJaUEFF4-Fp2wzGHvdzgVirkwRF3nekrchJLyA1-l1UEEoI47qw6N3u3rygSb1kUL3YkECQiS9b-Eg8z6O2qXclZ-k9QDZiJ7n6iZqvDSTBPEueBb2CZFLrNHw3LbhO5rjzQ7MwlY9tzMOLDLvKFZWm63h6Ker5LXsgOU0E12M4TWNlUWTNA0DROJzejHSwjkO41UuoqqpbbssigDdj5mdCV0PhFiP5tE1zzE0Pcd5yPXC2IrqOjPZLrLM3oUIOvTA",
	# The same, with the algorithm none.
	"unsigned": "eyJhbGciOiJub25lIiwidHlwIjoiSldUIiwia2lkIjoiZXMtMSJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdLCJleHAiOjQxMDI0NDQ4MDB9.",
	# The same, signed with the public keys taken for a secret.
	"hs256": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdLCJleHAiOjQxMDI0NDQ4MDB9.L6QreCEWlhROZ8hPdFPOMScetBF66jKutfmMLtfFUjA",
	# The same, of an issuer nobody configured.
	"other_issuer": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZS5jb20iLCJhdWQiOiJrdWJlcm5ldGVzIiwic3ViIjoiNDIiLCJuYW1lIjoiYW5uYSIsImdyb3VwcyI6WyJkZXYiLCJvbi1jYWxsIl0sImV4cCI6NDEwMjQ0NDgwMH0.LH4iaN2OZKS3M8j6jx4lxw93r4pnN5VwdDgiKYGid9pLAxpF21YVpsRvKX3xayZErgODp-QfMaMpkWkEJiGHpw",
	# The same, for another audience.
	"other_audience": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoidmF1bHQiLCJzdWIiOiI0MiIsIm5hbWUiOiJhbm5hIiwiZ3JvdXBzIjpbImRldiIsIm9uLWNhbGwiXSwiZXhwIjo0MTAyNDQ0ODAwfQ.QODR7zeNN0drvPnDK0v0YmWiz4CF4Vhha2i6ehycde9A0DKYsdKXhbX_nRzSLbAxP0YwjY9tPjRRfGjQir8jTA",
	# The same, for several audiences.
	"many_audiences": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjpbInZhdWx0Iiwia3ViZXJuZXRlcyJdLCJzdWIiOiI0MiIsIm5hbWUiOiJhbm5hIiwiZ3JvdXBzIjpbImRldiIsIm9uLWNhbGwiXSwiZXhwIjo0MTAyNDQ0ODAwfQ.q26d8HWzJg3WNdgdJPWrjXvfI3AY1pjmddCpF9CtHGoVyIG6jZS0GavNMCm2BcUZ_vj0pgjGvf971WPnzMQbbQ",
	# The same, for no audience.
	"without_audience": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwic3ViIjoiNDIiLCJuYW1lIjoiYW5uYSIsImdyb3VwcyI6WyJkZXYiLCJvbi1jYWxsIl0sImV4cCI6NDEwMjQ0NDgwMH0.sZ42pWJkgKtq4NwFl1S6V-bZcBhA5sRBF0V0AhIyYmBCic0Do3YCzH_f9aVq8Qt3UQs8zWxbMO7gY1PErObr1w",
	# The same, without an expiry.
	"endless": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdfQ.JFcMxftKblwFFJ9G_d0wIhSes8fLHNnexK0rg9DHW1Rkfw5PGHtxq3wYdF85cPECc4HG7a5bm2bb0hMzlypVFQ",
	# The same, expired in 2020.
	"expired": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdLCJleHAiOjE1Nzc4MzY4MDB9.lQc6fYxwJ1f7byFqVb86FEdWcAOR4rG9vBOZHD-FzsobI4pdZhaRHRIEVb5seydGzLlybVTvSLb9bXb32ztmEQ",
	# The same, not valid before 2100.
	"not_yet": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdLCJleHAiOjQxMDI0NDQ4MDAsIm5iZiI6NDEwMjQ0NDAwMH0.C9YnfadnXTwOeoHFZz5x860asSiyFub9xN218PZmHMOMypRmlxkFMxfUQitWpXPbtCrnMXmYaZf_jLPppDNPXg",
	# A user who calls itself system:admin.
	"system_user": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6InN5c3RlbTphZG1pbiIsImdyb3VwcyI6WyJkZXYiLCJvbi1jYWxsIl0sImV4cCI6NDEwMjQ0NDgwMH0.71rilhj7hScFgxgMpNUhA1aNnheLfaY7zu6WfNKBA7UpTsxDYpFyw8GnAqIvOU9Jqp3BLgE-T_k6lVjo4IURlg",
	# A member of system:masters.
	"system_group": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwic3lzdGVtOm1hc3RlcnMiXSwiZXhwIjo0MTAyNDQ0ODAwfQ.cLfT_3L5hVNNV9zs3DS76bIZpH59tyyvYIxCdU3oI98To4GOLjSuZYB2MOvPHjDyeYKVtL2gS_pHC8zaYslrYg",
	# The group as a text.
	"one_group": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOiJkZXYiLCJleHAiOjQxMDI0NDQ4MDB9.F-lnST1ELXq2Iexbns5QrDD3MPHRHkcQk3LNBphr-kYmmBuirpYngShVDshcEr9pD3_wJfMIgVQWFz77EMvicQ",
	# No groups.
	"without_groups": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJleHAiOjQxMDI0NDQ4MDB9.4s6ByLixEoB9asZAcVvoW-AxboV6AakOoNHZDntx7nCLKjOxS-FO7-KRfgVC3HDRMDuCdENtUzxVEqzuSvxzYw",
	# Groups that are not all texts.
	"mixed_groups": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiw3LG51bGxdLCJleHAiOjQxMDI0NDQ4MDB9.jQmaShDvVDp1uE9aRjmLJn3IVgIocfBJopapDZEEHCh6Pr43KC83_iBvcGKrq2z6ZMg2lFUtn1u8zyFHczHoCQ",
	# No name.
	"without_name": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwiZ3JvdXBzIjpbImRldiIsIm9uLWNhbGwiXSwiZXhwIjo0MTAyNDQ0ODAwfQ.dTuBTXQlRDRcr9DWjn4IAzgN_IRJGJDbf0Ymb5bDyyVVNdenI7QnccrB0ysPhckSh6LmUusrbadF--fT4vWQ8w",
	# An empty name.
	"empty_name": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6IiIsImdyb3VwcyI6WyJkZXYiLCJvbi1jYWxsIl0sImV4cCI6NDEwMjQ0NDgwMH0.HWudP_fhJt7b_ysEUDYDX5_HKoMQLb3C9WH1C2zwT6dBklQmRhjY4f5-vKZ3BPUrKhms0NSrbg8tkoHoo1dmTA",
	# An email address that is not verified.
	"unverified_email": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdLCJleHAiOjQxMDI0NDQ4MDAsImVtYWlsIjoiYW5uYUBleGFtcGxlLmNvbSIsImVtYWlsX3ZlcmlmaWVkIjpmYWxzZX0.7pVs-s7ilpfgnLxxAaPSrsKmmoUMLAz3dIGt2ui9Xh162N4U4I8HDR95cQv9TuMXkotySSnDeND_m3KCabd7FQ",
	# An email address that is verified.
	"verified_email": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdLCJleHAiOjQxMDI0NDQ4MDAsImVtYWlsIjoiYW5uYUBleGFtcGxlLmNvbSIsImVtYWlsX3ZlcmlmaWVkIjp0cnVlfQ.FBdXCq47yKkiAVrwoYdlZg4IfSaFyAs9Bwbs1pRRSo8KY07sRFWjzOsqfwmTeNg7Yo9Ub-vlNgpzuXLh1SXzQg",
	# A header no library expects.
	"strange_content_type": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzLTEiLCJjdHkiOjF9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoia3ViZXJuZXRlcyIsInN1YiI6IjQyIiwibmFtZSI6ImFubmEiLCJncm91cHMiOlsiZGV2Iiwib24tY2FsbCJdLCJleHAiOjQxMDI0NDQ4MDB9.RGJdBnps9rtSQyI0zqLCxRLw-hXCq2GkVcCBKP8R22YFtWQ8MW_bhBATtNH4Rq4ZmXzo-FWxsCm4FtcI8CNMLg",
	# A pipeline of another issuer.
	"robot": "eyJhbGciOiJFUzI1NiIsImtpZCI6ImNpLTEiLCJ0eXAiOiJKV1QifQ.eyJhdWQiOlsiY2x1c3RlciJdLCJlbnZpcm9ubWVudCI6InByb2R1Y3Rpb24iLCJleHAiOjQxMDI0NDQ4MDAsImlkIjoiNDcxMSIsImlzcyI6Imh0dHBzOi8vY2kuZXhhbXBsZS5jb20iLCJydW4iOjcsInN1YiI6InJlcG86c2hvcCIsInRlYW1zIjpbInNob3AiLCJzZWFyY2giXX0.6SkD8Gn5phnKsl9Oe-6aIHrLGmCOMGE0oKdX2G6a9GIm-gEFjlpYlRJ0QG9pm6FPlmfrpZ4_kOdZmHim1f29GA",
	# The same, signed with ES384.
	"robot_es384": "eyJhbGciOiJFUzM4NCIsImtpZCI6ImNpLTIiLCJ0eXAiOiJKV1QifQ.eyJhdWQiOlsiY2x1c3RlciJdLCJlbnZpcm9ubWVudCI6InByb2R1Y3Rpb24iLCJleHAiOjQxMDI0NDQ4MDAsImlkIjoiNDcxMSIsImlzcyI6Imh0dHBzOi8vY2kuZXhhbXBsZS5jb20iLCJydW4iOjcsInN1YiI6InJlcG86c2hvcCIsInRlYW1zIjpbInNob3AiLCJzZWFyY2giXX0.bZ0YilavXvw90b3XybjWiZ5WfAy8CbbAs9ZcJG-NsjXuLh7BA_QpJ7SviCu_PJdauhOt54goF7qsBKJqbYQlFjiXGJW6Jh7Ru8PW4bej4_tp1mcvQdpxS4X_UxmuB2IO",
	# Anna, signed by the other issuer.
	"forged_by_the_other_issuer": "eyJhbGciOiJFUzI1NiIsImtpZCI6ImNpLTEiLCJ0eXAiOiJKV1QifQ.eyJhdWQiOiJrdWJlcm5ldGVzIiwiZXhwIjo0MTAyNDQ0ODAwLCJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwibmFtZSI6ImFubmEiLCJzdWIiOiI0MiJ9.hDohogw_PILnRK_kr4yfKbFH5Y-FMixC7g9viGMDilrolc1kPlZeNw-sTxRmN6YsYvkKjdM_Jw_qCvnYtnpdww",
}

issuer := {"issuer": "https://login.example.com", "audiences": ["kubernetes"], "jwks": jwks, "usernameClaim": "name"}

review(name) := review_with(name, issuer)

review_with(name, with_issuer) := {
	"apiVersion": "authentication.k8s.io/v1",
	"kind": "TokenReview",
	"spec": {"token": tokens[name], "audiences": ["https://kubernetes.default.svc"]},
	"parameters": {"apiAudiences": ["https://kubernetes.default.svc"], "issuers": [with_issuer]},
}

anna := {
	"username": "anna",
	"uid": "42",
	"groups": ["dev", "on-call"],
	"extra": {},
	"audiences": ["https://kubernetes.default.svc", "kubernetes"],
}

now := time.parse_rfc3339_ns("2030-06-01T12:00:00Z")

test_good_tokens if {
	every name in ["good", "rs256", "without_kid", "many_audiences", "verified_email"] {
		jwt.user == anna with input as review(name) with time.now_ns as now
	}
}

test_bad_signatures if {
	every name in ["other_key", "unknown_kid", "kid_of_another_key", "ps256", "unsigned", "hs256"] {
		not jwt.user with input as review(name) with time.now_ns as now
	}
}

test_tokens_for_others if {
	every name in ["other_issuer", "other_audience", "without_audience"] {
		not jwt.user with input as review(name) with time.now_ns as now
	}
}

test_times if {
	every name in ["endless", "expired", "not_yet"] {
		not jwt.user with input as review(name) with time.now_ns as now
	}
	not jwt.user with input as review("good") with time.now_ns as time.parse_rfc3339_ns("2100-01-01T00:00:01Z")
}

test_names_of_kubernetes_are_refused if {
	every name in ["system_user", "system_group"] {
		not jwt.user with input as review(name) with time.now_ns as now
	}
}

test_a_prefix_keeps_issuers_apart if {
	prefixed := object.union(issuer, {"prefix": "example:"})
	jwt.user == {
		"username": "example:anna",
		"uid": "42",
		"groups": ["example:dev", "example:on-call"],
		"extra": {},
		"audiences": ["https://kubernetes.default.svc", "kubernetes"],
	} with input as review_with("good", prefixed) with time.now_ns as now
	jwt.user.username == "example:system:admin" with input as review_with("system_user", prefixed) with time.now_ns as now
}

test_groups_of_every_shape if {
	jwt.user.groups == ["dev"] with input as review("one_group") with time.now_ns as now
	jwt.user.groups == [] with input as review("without_groups") with time.now_ns as now
	not jwt.user with input as review("mixed_groups") with time.now_ns as now
}

test_other_claims if {
	subject := object.union(issuer, {"usernameClaim": "sub", "groupsClaim": "roles"})
	jwt.user == object.union(anna, {"username": "42", "groups": []}) with input as review_with("good", subject)
		with time.now_ns as now
}

test_user_without_a_name if {
	every name in ["without_name", "empty_name"] {
		not jwt.user with input as review(name) with time.now_ns as now
	}
}

test_email_addresses if {
	by_email := object.union(issuer, {"usernameClaim": "email"})
	jwt.user.username == "anna@example.com" with input as review_with("verified_email", by_email) with time.now_ns as now
	not jwt.user with input as review_with("unverified_email", by_email) with time.now_ns as now
	jwt.user.username == "anna" with input as review("unverified_email") with time.now_ns as now
}

test_audiences_are_those_of_the_api_server_and_those_the_token_names_of_the_issuers if {
	known := object.union(issuer, {"audiences": ["kubernetes", "registry"]})
	jwt.user.audiences == anna.audiences with input as review_with("good", known) with time.now_ns as now
	jwt.user.audiences == anna.audiences with input as review("many_audiences") with time.now_ns as now
	both := object.union(issuer, {"audiences": ["kubernetes", "vault"]})
	jwt.user.audiences == ["https://kubernetes.default.svc", "vault", "kubernetes"] with input as review_with("many_audiences", both)
		with time.now_ns as now
}

test_keys_without_an_id_serve_tokens_without_one if {
	keys := {"keys": [object.remove(key, ["kid"]) | some key in jwks.keys]}
	jwt.user == anna with input as review_with("without_kid", object.union(issuer, {"jwks": keys})) with time.now_ns as now
	not jwt.user with input as review_with("good", object.union(issuer, {"jwks": keys})) with time.now_ns as now
}

test_keys_for_encryption_sign_nothing if {
	keys := {"keys": [object.union(key, {"use": "enc"}) | some key in jwks.keys]}
	not jwt.user with input as review_with("good", object.union(issuer, {"jwks": keys})) with time.now_ns as now
}

test_the_first_of_two_issuers_of_one_name_counts if {
	twins := [object.union(issuer, {"prefix": "a:"}), object.union(issuer, {"prefix": "b:"})]
	jwt.user.username == "a:anna" with input as review("good") with input.parameters.issuers as twins with time.now_ns as now
}

test_what_is_no_token_is_no_error if {
	not jwt.user with input as review("strange_content_type") with time.now_ns as now
	every token in ["", ".", "..", "a.b.c", "opaque", "e30.e30.", "bnVsbA.bnVsbA.", "WzFd.WzFd.WzFd"] {
		not jwt.user with input as review("good") with input.spec.token as token with time.now_ns as now
	}
}

ci := {
	"issuer": "https://ci.example.com",
	"audiences": ["cluster"],
	"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "ci-1", "x": "zr_PaJBYtCRweYROQhjxViI8bla6AvrXCoioWtZHk2M", "y": "vpkJaEyUJs9suQAufmOekLEnNKr-lxpp8OMyyHnUKQY"}, {"kty": "EC", "crv": "P-384", "use": "sig", "alg": "ES384", "kid": "ci-2", "x": "GzeXlkVuxk8UKKAnWZRh26isp8Rnlcilv3XAJB16M7-AW50d1437Ckfc6Dxkszow", "y": "7eO_CbLF_9NmScf4v-4y4D0IXZworh5lTn_DGlCRLm3DPVU8MyUVm0tg6p-WNzSa"}]},
	"prefix": "ci:",
	"groupsClaim": "teams",
}

both(name, changes) := object.union(review(name), {"parameters": {"issuers": [issuer, object.union(ci, changes)]}})

robot := {
	"username": "ci:repo:shop",
	"uid": "repo:shop",
	"groups": ["ci:shop", "ci:search"],
	"extra": {},
	"audiences": ["https://kubernetes.default.svc", "cluster"],
}

test_each_issuer_has_its_own_keys if {
	jwt.user == anna with input as both("good", {}) with time.now_ns as now
	jwt.user == robot with input as both("robot", {}) with time.now_ns as now
	not jwt.user with input as both("forged_by_the_other_issuer", {}) with time.now_ns as now
	not jwt.user with input as both("robot", {"jwks": jwks}) with time.now_ns as now
}

test_each_issuer_has_its_own_audiences if {
	not jwt.user with input as both("robot", {"audiences": ["kubernetes"]}) with time.now_ns as now
}

test_each_issuer_has_its_own_algorithms if {
	not jwt.user with input as both("robot_es384", {}) with time.now_ns as now
	jwt.user == robot with input as both("robot_es384", {"algorithms": ["ES256", "ES384"]}) with time.now_ns as now
	not jwt.user with input as both("robot", {"algorithms": ["ES384"]}) with time.now_ns as now
}

test_a_key_checks_no_other_algorithm if {
	keys := [object.union(key, {"alg": "ES512"}) | some key in ci.jwks.keys]
	not jwt.user with input as both("robot", {"jwks": {"keys": keys}}) with time.now_ns as now
	bare := [object.remove(key, ["alg"]) | some key in ci.jwks.keys]
	jwt.user == robot with input as both("robot", {"jwks": {"keys": bare}}) with time.now_ns as now
}

test_required_claims if {
	every required in [{"environment": "production"}, {"teams": "search", "environment": "production"}] {
		jwt.user == robot with input as both("robot", {"requiredClaims": required}) with time.now_ns as now
	}
	every required in [{"environment": "test"}, {"teams": "sea"}, {"missing": "x"}, {"run": "7"}, {"environment": "production", "teams": "x"}] {
		not jwt.user with input as both("robot", {"requiredClaims": required}) with time.now_ns as now
	}
}

test_other_uids_and_extras if {
	mapping := {"uidClaim": "id", "extraClaims": {
		"example.com/environment": "environment",
		"example.com/teams": "teams",
		"example.com/run": "run",
		"example.com/missing": "missing",
	}}
	jwt.user == object.union(robot, {"uid": "4711", "extra": {
		"example.com/environment": ["production"],
		"example.com/teams": ["shop", "search"],
	}}) with input as both("robot", mapping) with time.now_ns as now
	not jwt.user with input as both("robot", {"uidClaim": "run"}) with time.now_ns as now
}

test_an_issuer_names_nobody_of_another if {
	open_issuer := object.union(issuer, {"prefix": ""})
	every prefix in ["ann", "de"] {
		not jwt.user with input as object.union(
			review("good"),
			{"parameters": {"issuers": [open_issuer, object.union(ci, {"prefix": prefix})]}},
		)
			with time.now_ns as now
	}
	jwt.user.username == "anna" with input as both("good", {"prefix": "anna:"}) with time.now_ns as now
	shorter := [object.union(issuer, {"prefix": "a:"}), object.union(ci, {"prefix": "a"})]
	jwt.user.username == "a:anna" with input as review("good") with input.parameters.issuers as shorter with time.now_ns as now
}
