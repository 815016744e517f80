export default async ({ workos, endpointId }) => {
  // region
  const endpoint = await workos.webhooks.updateWebhookEndpoint({
    id: endpointId,
    status: "disabled",
  });

  console.log(endpoint.status);
  // endregion
};
