def sample(workos, client_id):
    # region
    jwks = workos.user_management.get_jwks(client_id)

    for key in jwks.keys:
        print(key.kid)
    # endregion
