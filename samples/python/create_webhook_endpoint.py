def sample(workos, endpoint_url):
    # region
    endpoint = workos.webhooks.create_webhook_endpoint(
        endpoint_url=endpoint_url,
        events=["user.created"],
    )

    print(endpoint.id, endpoint.secret)
    # endregion
