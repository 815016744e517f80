export default async ({ workos }) => {
  // region
  const endpoints = await workos.webhooks.listWebhookEndpoints();

  for (const endpoint of endpoints.data) console.log(endpoint.id, endpoint.endpointUrl);
  // endregion
};
