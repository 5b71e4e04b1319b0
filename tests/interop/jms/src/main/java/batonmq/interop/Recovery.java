package batonmq.interop;

import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.Session;
import jakarta.jms.TransactionRolledBackException;
import java.util.HashSet;
import java.util.Set;

/** Connections that are cut, and clients that connect again by themselves. */
public final class Recovery extends Cases {
  private String failover() {
    return "failover:(amqp://127.0.0.1:" + broker.relay + ")?failover.reconnectDelay=10&failover.maxReconnectAttempts=200";
  }

  public void failoverLosesNothing() throws Exception {
    Session session = connect(failover(), null).createSession(Session.CLIENT_ACKNOWLEDGE);
    Queue queue = session.createQueue(name);
    MessageProducer producer = session.createProducer(queue);
    MessageConsumer consumer = session.createConsumer(queue);
    Set<String> sent = new HashSet<>();
    Set<String> taken = new HashSet<>();
    for (int number = 0; number < 60; number++) {
      if (number % 20 == 10) cut();
      producer.send(session.createTextMessage("m" + number));
      sent.add("m" + number);
    }
    while (taken.size() < 60) {
      if (taken.size() == 30) cut();
      Message message = consumer.receive(WAIT);
      taken.add(text(message));
      message.acknowledge();
    }
    same(taken, sent);
  }

  public void whatWasHeldIsRedelivered() throws Exception {
    Session lost = connect("amqp://127.0.0.1:" + broker.relay, null).createSession(Session.CLIENT_ACKNOWLEDGE);
    Queue queue = lost.createQueue(name);
    send(lost, queue, "x");
    same(text(lost.createConsumer(queue).receive(WAIT)), "x");
    cut();
    Message again = session().createConsumer(queue).receive(WAIT);
    same(text(again), "x");
    same(again.getJMSRedelivered(), true);
    same(again.getIntProperty("JMSXDeliveryCount"), 2);
  }

  public void aTransactionThatWasCutIsRolledBack() throws Exception {
    Session session = connect(failover(), null).createSession(Session.SESSION_TRANSACTED);
    Queue queue = session.createQueue(name);
    MessageProducer producer = session.createProducer(queue);
    producer.send(session.createTextMessage("dropped"));
    cut();
    fails(TransactionRolledBackException.class, session::commit);
    // One that began before the client noticed is rolled back, too.
    until(() -> {
      producer.send(session.createTextMessage("kept"));
      try {
        session.commit();
        return true;
      } catch (TransactionRolledBackException error) {
        return false;
      }
    }, "a transaction went through");
    same(text(session().createConsumer(queue).receive(WAIT)), "kept");
  }
}
