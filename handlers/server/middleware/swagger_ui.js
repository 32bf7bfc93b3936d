// Starts Swagger UI on the contract of the service that serves this page.
SwaggerUIBundle({
  url: "../openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  // Without this header the browser would ask for a password before the answer of the service is shown.
  requestInterceptor: (request) => {
    request.headers["X-Requested-With"] = "XMLHttpRequest";
    return request;
  },
  showMutatedRequest: false, // the line for curl needs no such header
});
